"""Serve the double: `python tests/bridge/kubernetes_double KUBECONFIG` writes how it is reached.

With `--idle` its pods are no containers, and wait until they are released.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import kmock
from api_server import ApiServer
from idle import IdleKubelet
from kubelet import Kubelet

CLUSTER = "the-double"


def kubeconfig(url: str) -> dict:
    """Return what `kubectl` takes; JSON is YAML."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": {"server": url}}],
        "users": [{"name": CLUSTER, "user": {"token": "not checked"}}],
        "contexts": [
            {
                "name": CLUSTER,
                "context": {"cluster": CLUSTER, "user": CLUSTER, "namespace": "flights"},
            }
        ],
        "current-context": CLUSTER,
    }


async def serve(file: Path, *, idle: bool) -> None:
    """Serve until whoever started this has gone."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    parent = os.getppid()
    async with ApiServer(IdleKubelet if idle else Kubelet) as api, kmock.Server(api) as server:
        written = file.with_suffix(".new")
        written.write_text(json.dumps(kubeconfig(str(server.url).rstrip("/"))))
        written.rename(file)
        while not ended.is_set() and os.getppid() == parent:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.2)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), idle="--idle" in sys.argv))
