"""Does what it is told on standard input with Debian's python3-kubernetes: a JSON command a line in, a
JSON answer a line out. A watch answers with lines until it is told `stop`."""
import json
import signal
import sys
import threading

from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException

# The library leaves copies of keys and certificates behind unless the process ends by itself.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

api = config.new_client_from_config(config_file=sys.argv[1])
merge = "application/merge-patch+json"
output = threading.Lock()


def kinds():
    return dynamic.DynamicClient(api)


def jobs():
    return kinds().resources.get(api_version="mesocosm.dev/v1", kind="Job")


def names(options):
    found, token = [], None
    while True:
        query = {}
        if options.get("labels"):
            query["label_selector"] = options["labels"]
        if options.get("pageSize"):
            query["limit"] = options["pageSize"]
        if token:
            query["_continue"] = token
        page = jobs().get(namespace="default", **query).to_dict()
        found += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
        if not token:
            return found


def review(verb, resource):
    attributes = {"verb": verb, "resource": resource, "group": "mesocosm.dev", "namespace": "default"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = client.AuthorizationV1Api(api).create_self_subject_access_review(body)
    return bool(answer.status.allowed)


def watch():
    def follow():
        for event in jobs().watch(namespace="default"):
            say({"event": {"type": event["type"], "name": event["raw_object"]["metadata"]["name"]}})

    threading.Thread(target=follow, daemon=True).start()


def scale(name, replicas):
    jobs().subresources["scale"].patch(
        name=name, namespace="default", body={"spec": {"replicas": replicas}}, content_type=merge
    )


commands = {
    "serverVersion": lambda: client.VersionApi(api).get_code().git_version,
    "resources": lambda: [r.name for r in kinds().resources.search() if getattr(r, "name", None)],
    "create": lambda body: jobs().create(body=body, namespace="default") and None,
    "get": lambda name: jobs().get(name=name, namespace="default").to_dict(),
    "list": names,
    "replace": lambda body: jobs().replace(body=body, namespace="default") and None,
    "mergePatch": lambda name, body: jobs().patch(
        name=name, namespace="default", body=body, content_type=merge
    )
    and None,
    "jsonPatch": lambda name, body: jobs().patch(
        name=name, namespace="default", body=body, content_type="application/json-patch+json"
    )
    and None,
    "strategicPatch": lambda name, body: client.CoreV1Api(api).patch_namespaced_config_map(
        name, "default", body
    )
    and None,
    "scale": scale,
    "remove": lambda name: jobs().delete(name=name, namespace="default") and None,
    "removeAll": lambda labels: jobs().delete(namespace="default", label_selector=labels) and None,
    "createSecret": lambda name, data: client.CoreV1Api(api).create_namespaced_secret(
        "default", {"metadata": {"name": name}, "stringData": data}
    )
    and None,
    "mayI": review,
    "watch": watch,
}


def say(answer):
    with output:
        print(json.dumps(answer), flush=True)


for line in sys.stdin:
    command = json.loads(line)
    try:
        say({"value": commands[command["do"]](*command["with"])})
    except ApiException as error:
        say({"refused": f"{error.status} {error.body}"})
    except Exception as error:  # whatever it is, the test wants to know
        say({"failed": repr(error)})
