"""Prints the members of a ServerSet as a Python client sees them: an array of JSON objects.

Usage: read_members.py HOST:PORT PATH [CA_FILE]

The rules are those that the Python, Java and Finagle clients share: only children whose name begins
with member_ count, serviceEndpoint{host, port}, additionalEndpoints and status are required, other keys
are ignored, and only ALIVE members take traffic.
"""

import json
import socket
import sys

from kazoo.client import KazooClient


def endpoint(record):
    for key, family in (("inet", socket.AF_INET), ("inet6", socket.AF_INET6)):
        if key in record:
            socket.inet_pton(family, record[key])
    return {"host": str(record["host"]), "port": int(record["port"])}


def member(name, data):
    record = json.loads(data.decode("utf-8"))
    return {
        "member": int(name[len("member_"):]),
        "service": endpoint(record["serviceEndpoint"]),
        "additional": {key: endpoint(value) for key, value in record["additionalEndpoints"].items()},
        "shard": record.get("shard"),
        "status": record["status"],
    }


def main():
    hosts, path = sys.argv[1:3]
    tls = {"use_ssl": True, "ca": sys.argv[3]} if len(sys.argv) > 3 else {}
    client = KazooClient(hosts=hosts, read_only=True, **tls)
    client.start(timeout=15)
    try:
        names = sorted(name for name in client.get_children(path) if name.startswith("member_"))
        members = [member(name, client.get(path + "/" + name)[0]) for name in names]
        print(json.dumps([each for each in members if each["status"] == "ALIVE"]))
    finally:
        client.stop()
        client.close()


main()
