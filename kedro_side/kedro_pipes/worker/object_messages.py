"""Context and messages in an object store or a folder, where Dagster's own clients for clusters put them.

Reached by fsspec with the library that the project has for it. Knows objects, not what is in them.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import fsspec
from dagster_pipes import PipesContextData, PipesContextLoader, PipesParams
from kedro_manifest.invocation import BUCKET_PARAM, BUCKETS_VARIABLE


class ObjectContextLoader(PipesContextLoader):
    """Loads the context from an object."""

    @contextmanager
    def load_context(self, params: PipesParams) -> Iterator[PipesContextData]:
        """Load the context from the bucket and key that the parameters name."""
        file_system, bucket = _open_bucket(params)
        yield json.loads(file_system.cat_file(f"{bucket}/{params['key']}"))


class ChunkedMessages:
    """Writes messages as objects `1.json`, `2.json`, … which the orchestrator reads in turn.

    A chunk that cannot be written is tried again as it is; no other takes its number.

    Args:
        params: Bucket, and a prefix for the keys; or the path of a mounted volume's folder.
        interval_s: Seconds between two chunks; what is not out yet is lost with a worker that is
            killed.
    """

    def __init__(self, params: PipesParams, *, interval_s: float = 1.0) -> None:
        if BUCKET_PARAM in params:
            self._file_system, root = _open_bucket(params)
        else:
            self._file_system, root = fsspec.filesystem("file"), params["path"]
        prefix = params.get("key_prefix")
        self._folder = f"{root}/{prefix}" if prefix else root
        self._interval_s = interval_s
        self._waiting: list[bytes] = []
        self._chunk = b""
        self._number = 1
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._process = os.getpid()

    @contextmanager
    def sent(self) -> Iterator[ChunkedMessages]:
        """Send what is written, every now and then; on leaving, the rest is out, or it raises."""
        thread = threading.Thread(target=self._keep_sending, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            # A process that a node forked has neither the thread nor a right to these messages.
            if os.getpid() == self._process:
                self._is_over.set()
                thread.join()
                while self._chunk or self._waiting:
                    self._send()

    def write(self, number: int, line: bytes) -> None:  # noqa: ARG002 - the line holds it
        """Take one message."""
        with self._lock:
            self._waiting.append(line)

    def _keep_sending(self) -> None:
        while not self._is_over.wait(self._interval_s):
            with suppress(Exception):  # of any library; what the last attempt raises is told
                self._send()

    def _send(self) -> None:
        with self._lock:
            if not self._chunk:
                self._chunk, self._waiting = b"\n".join(self._waiting), []
        if self._chunk:
            self._file_system.pipe_file(f"{self._folder}/{self._number}.json", self._chunk)
            self._chunk = b""
            self._number += 1


def _open_bucket(params: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system that parameters mean, and the path of the bucket in it.

    Amazon's, Google's and Microsoft's have the same parameters; a variable says whose they are.
    """
    protocol = os.environ.get(BUCKETS_VARIABLE, "s3")
    file_system, path = fsspec.core.url_to_fs(f"{protocol}://{params['bucket']}")
    return file_system, path.rstrip("/")
