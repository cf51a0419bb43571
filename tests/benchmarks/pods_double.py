"""Have a double of the Kubernetes API run for a benchmark, and ask it what no API tells.

Knows neither Dagster nor who starts pods.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import ROOT

DOUBLE = ROOT / "tests/bridge/kubernetes_double"
NAMESPACE = "flights"


class Double:
    """A double that runs.

    Args:
        kubeconfig: Says how it is reached.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        clusters = json.loads(kubeconfig.read_text())["clusters"]
        self._url = f"{clusters[0]['cluster']['server']}/_double"

    def ask(self, what: str) -> Any:
        """Ask for something that no API has."""
        body = json.dumps({"namespace": NAMESPACE}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}/{what}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def calls(self) -> Counter[str]:
        """Return how often each verb of each resource was asked for."""
        return Counter(self.ask("calls"))

    def count_running(self) -> int:
        """Return how many pods run."""
        phases = [pod["status"]["phase"] for pod in self.ask("pods")["items"]]
        return phases.count("Running")


@contextmanager
def running_double(folder: Path, *options: str) -> Iterator[Double]:
    """Have a double run.

    Args:
        folder: Where its kubeconfig is written.
        options: Of its command line.
    """
    file = folder / "kubeconfig"
    process = subprocess.Popen([sys.executable, str(DOUBLE), str(file), *options])
    try:
        while not file.exists():
            if process.poll() is not None:
                sys.exit(f"The double has not started: {DOUBLE}")
            time.sleep(0.05)
        yield Double(file)
    finally:
        process.terminate()
        process.wait()
