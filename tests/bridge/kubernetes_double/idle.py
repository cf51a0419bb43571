"""Pods that cost no process: each waits until it is released, and reports its assets as saved.

For hundreds of pods at once where only the orchestrator is looked at. To the API they are like others:
statuses, logs and attachments, and messages in the worker's own frames.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dagster_pipes import (
    PipesContext,
    PipesDefaultContextLoader,
    PipesMappingParamsLoader,
    PipesMessageWriter,
    PipesParams,
)
from kedro_manifest.frames import encode_frames
from kedro_manifest.invocation import decode_invocation
from kedro_pipes.worker.channel import NumberedChannel
from kubelet import Kubelet, Log, stamp


class IdleKubelet(Kubelet):
    """Runs the pods of an API server, none of which does anything."""

    def __init__(self, server) -> None:
        super().__init__(server)
        self._released = asyncio.Event()

    async def befall(self, what: str, data: dict) -> None:
        """Let all pods end, those that are still to come too; or what happens to others."""
        if what == "release":
            self._released.set()
        else:
            await super().befall(what, data)

    async def _run_container(self, pod: dict, container: dict, *, initial: bool = False) -> int:
        log = Log(asyncio.get_running_loop())
        self._logs[pod["metadata"]["uid"], container["name"]] = log
        self._server.set_status(pod, phase="Running")
        self._tell(
            pod, container, initial=initial, running={"startedAt": stamp(time.time_ns()).decode()}
        )
        await self._released.wait()
        report_all({each["name"]: each.get("value", "") for each in container["env"]}, log)
        log.end()
        ended = {"exitCode": 0, "reason": "Completed"}
        self._tell(pod, container, initial=initial, terminated=ended)
        return 0


def report_all(env: dict[str, str], log: Log) -> None:
    """Report each asset of an invocation as saved."""
    pipes = PipesContext(
        PipesMappingParamsLoader(env), PipesDefaultContextLoader(), _LogWriter(log)
    )
    with pipes:
        for key in decode_invocation(dict(pipes.extras)).dataset_assets.values():
            pipes.report_asset_materialization(asset_key=key)


class _LogWriter(PipesMessageWriter):
    def __init__(self, log: Log) -> None:
        self._log = log

    @contextmanager
    def open(self, params: PipesParams) -> Iterator[NumberedChannel]:  # noqa: ARG002
        yield NumberedChannel(_FramesInLog(self._log))


class _FramesInLog:
    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, number: int, line: bytes) -> None:
        for frame in encode_frames(number, line):
            self._log.write(1, frame)
