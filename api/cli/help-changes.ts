/** What --help says after the options. */

export const auth = `
Examples:
  cosm auth whoami
  cosm auth can-i create jobs -n prod
  cosm auth can-i --list -n prod`;

export const canI = `
Exit codes: 0 yes, 1 no; others as of every command (see cosm --help). Without -A it is about the namespace;
a rule may still allow an object by its name where "no" is said of all.

Examples:
  cosm auth can-i create jobs -n prod
  cosm auth can-i delete job/web -n prod
  cosm auth can-i create pods --subresource=exec
  cosm auth can-i get /metrics
  cosm auth can-i '*' '*' -A
  cosm auth can-i list secrets --as system:serviceaccount:prod:deploy -q
  cosm auth can-i --list -n prod`;

export const create = `
Every document of every file is checked here and by the server before anything is made: if one is refused,
as what exists already is, nothing is. metadata.generateName will do for a name. Objects that are to be
changed by their files later on are made with cosm apply, which takes no notice of who made them.

Examples:
  cosm create -f web.yaml
  cosm create -f web.yaml --dry-run=server -o yaml     what would be stored, defaults and all
  cosm create token deploy --duration=24h              see cosm create token --help`;

export const createToken = `
The token is shown once and kept nowhere. It ends with its time, with the service account, and with the
object that it is bound to; the server may shorten the time, and says so. "create" of
serviceaccounts/token must be allowed.

Examples:
  cosm create token deploy -n prod
  cosm create token deploy --duration=24h --audience=https://vault.example.com
  cosm create token deploy --bound-object-kind=Secret --bound-object-name=ci`;

export const replace = `
What the file does not say is gone, but for the status. A file with a metadata.resourceVersion replaces that
version alone; what does not exist is refused.

Examples:
  cosm get job/web -o yaml > web.yaml; vi web.yaml; cosm replace -f web.yaml
  cosm get secrets -o yaml | cosm replace -f -         writes everything again, with the first key`;

export const patch = `
Types: merge sets what the patch says and removes what is null; lists are one value. strategic merges lists
by the keys of their items, for Kubernetes' own kinds (ConfigMap, Secret, Role, …), which take it if nothing
is said. json is a list of operations.

Examples:
  cosm patch job/web -p '{"spec": {"replicas": 5}}'
  cosm patch job/web -p 'spec: {updateStrategy: {maxUnavailable: 2}}' --dry-run=server
  cosm patch job/web --type=json -p '[{"op": "remove", "path": "/spec/serverSet"}]'
  cosm patch configmap/web --patch-file=patch.yaml`;

export const label = `
A label that has another value already is refused without --overwrite. Labels of a job are not those of its
tasks: these stand in its template, where a change rolls.

Examples:
  cosm label job web team=search
  cosm label job/web job/api tier=front --overwrite
  cosm label jobs -l team=search stage-
  cosm label job/web --list`;

export const annotate = `
An annotation that has another value already is refused without --overwrite.

Examples:
  cosm annotate job web owner='search team'
  cosm annotate namespace prod mesocosm.dev/default-network=dev-net --overwrite
  cosm annotate jobs --all owner-`;

export const rollout = `
There is no pause: updateStrategy.maxUnavailable of the job says how fast a rollout goes, and undo ends it.

Examples:
  cosm rollout status job/web --timeout=5m
  cosm rollout history job/web
  cosm rollout history job/web --revision=3
  cosm rollout undo job/web
  cosm rollout undo job/web --to-revision=3
  cosm rollout restart job/web`;

/** What is said instead of doing what kubectl rollout does besides. */
export const noPause = {
  pause:
    'there is no pause: "cosm rollout undo" takes a rollout back, updateStrategy.maxUnavailable of the job says how many instances it may take at a time, and what is not to roll out yet is best not applied yet',
  resume:
    'there is no pause, so nothing waits to be resumed: "cosm rollout status" shows how far a rollout is, and "cosm describe" what it waits for',
} as const;

export const rolloutStatus = `
Exit codes: 0 done; 1 the job does not exist, or has been Stalled for ten seconds; 3 the time was up. cosm
wait --for=healthy waits for the ServerSet too.

Examples:
  cosm rollout status job/web --timeout=5m
  cosm rollout status job/web --watch=false`;

export const rolloutUndo = `
The template alone goes back: not the replicas, nor the ServerSet. The file still says the newer one: the
next apply or sync of it rolls forward again.

Examples:
  cosm rollout undo job/web
  cosm rollout undo job/web --to-revision=3
  cosm rollout undo job/web --dry-run=server -o yaml`;
