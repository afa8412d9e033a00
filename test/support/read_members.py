"""Prints the members of a ServerSet as a Python client sees them.

Usage: read_members.py [--follow] [--ca FILE] HOST:PORT PATH

Without --follow: one array of members. With it: one line for every look, {"begin", "end", "whole",
"members"} with times in milliseconds, at the start and after every change of the path, until standard input
ends. A look is whole if no node came or went while it was made: else the members may never have been all of
one moment. A look that a lost connection interrupts is made again; nothing is printed for it.

The rules are those that the Python, Java and Finagle clients share: only children whose name begins
with member_ count, serviceEndpoint{host, port}, additionalEndpoints and status are required, other keys
are ignored, and only ALIVE members take traffic.
"""

import argparse
import json
import logging
import os
import socket
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionClosedError, ConnectionLoss, NoNodeError, SessionExpiredError
from kazoo.retry import KazooRetry


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
        "metadata": record.get("metadata", {}),
    }


def look(client, path, watch=None):
    try:
        names, before = client.get_children(path, watch, include_data=True)
    except NoNodeError:
        # It may have come meanwhile: then the watch is on the node, and the next look finds it.
        if watch is not None and client.exists(path, watch) is not None:
            return look(client, path, watch)
        return [], True
    members = []
    for name in sorted(name for name in names if name.startswith("member_")):
        try:
            members.append(member(name, client.get(path + "/" + name, watch)[0]))
        except NoNodeError:
            pass
    after = client.exists(path)
    whole = after is not None and (after.czxid, after.cversion) == (before.czxid, before.cversion)
    return [each for each in members if each["status"] == "ALIVE"], whole


def follow(client, path):
    changed = threading.Event()
    printing = threading.Lock()

    def end():
        sys.stdin.read()
        # At once: the server may be gone, and requests wait for it. The session ends by itself.
        with printing:
            os._exit(0)

    client.add_listener(lambda state: changed.set() if state == KazooState.CONNECTED else None)
    threading.Thread(target=end, daemon=True).start()
    changed.set()
    while True:
        changed.wait()
        changed.clear()
        begin = time.time()
        try:
            members, whole = look(client, path, lambda event: changed.set())
        except (ConnectionClosedError, ConnectionLoss, SessionExpiredError):
            if client.connected:
                changed.set()
            continue
        times = {"begin": begin * 1000, "end": time.time() * 1000}
        line = {**times, "whole": whole, "members": members}
        with printing:
            print(json.dumps(line), flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--follow", action="store_true")
    arguments.add_argument("--ca")
    arguments.add_argument("hosts")
    arguments.add_argument("path")
    options = arguments.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    tls = {"use_ssl": True, "ca": options.ca} if options.ca else {}
    retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5)
    client = KazooClient(hosts=options.hosts, read_only=True, connection_retry=retry, **tls)
    client.start(timeout=15)
    try:
        if options.follow:
            follow(client, options.path)
        else:
            print(json.dumps(look(client, options.path)[0]))
    finally:
        client.stop()
        client.close()


main()
