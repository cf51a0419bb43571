"""What workers need besides: the Docker engines, clusters and hosts that `dagster.yml` names, the store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kedro_manifest.findings import Finding
from kedro_manifest.installed import Installed
from kedro_manifest.orchestration.clients import DockerClient, K8sClient, SshClient
from kedro_manifest.orchestration.placement import Store
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.supervising import shell_word

from kedro_pipes.commands.docker.engine import DockerCommand
from kedro_pipes.commands.doctor.environments import ask_environment, check_skew
from kedro_pipes.commands.doctor.view import Diagnosis, Seen
from kedro_pipes.commands.k8s.cluster import KubectlCommand
from kedro_pipes.commands.outside import (
    OutsideProgram,
    OutsideProgramError,
    OutsideProgramMissingError,
)

_Ask = Callable[[], tuple[str, list[Finding]]]
"""Returns what was found, in words, and what is wrong with it."""

_ENGINE_CURE = (
    "See that it runs and that you may use it (`docker info`), or name another with `engine_url` of "
    "the client."
)
_CLUSTER_CURE = (
    "See that it is up and what you may do there (`kubectl get pods`), or name another with "
    "`kubeconfig`, `context` and `namespace` of the client."
)


def look_at_clients(
    orchestration: Orchestration, worker: Installed, project: Path
) -> Iterator[Diagnosis]:
    """Ask the engine, the cluster or each of the hosts that a client names.

    Args:
        orchestration: Has the clients.
        worker: What is installed here, which hosts are compared with.
        project: The project's folder.
    """
    for name, client in orchestration.clients.items():
        place = f"dagster.yml: clients.{name}"
        if isinstance(client, DockerClient):
            ask = partial(_ask_engine, DockerCommand(client.engine_url, client.tls))
            yield _look(f"client '{name}'", place, ask, _ENGINE_CURE)
        elif isinstance(client, K8sClient):
            cluster = KubectlCommand(client.kubeconfig, client.context, client.namespace)
            yield _look(f"client '{name}'", place, partial(_ask_cluster, cluster), _CLUSTER_CURE)
        elif isinstance(client, SshClient):
            for host in client.hosts:
                ask = partial(_ask_host, client, host, worker, project)
                yield _look(f"client '{name}', {host}", place, ask)


def look_at_store(store: Store, project: Path) -> Diagnosis:
    """Look whether data can be put where it crosses from one worker to another."""
    # Imports kedro, which waits until stdout is safe.
    from kedro_pipes.preflight import check_store  # noqa: PLC0415
    from kedro_pipes.project.redaction import redact_uri  # noqa: PLC0415

    findings = list(check_store(store, project))
    found = f"{redact_uri(store.url)}: {'not usable' if findings else 'can be written to'}"
    return Diagnosis(seen=[Seen(part="store", found=found)], findings=findings)


def _look(part: str, place: str, ask: _Ask, cure: str | None = None) -> Diagnosis:
    try:
        found, findings = ask()
    except OutsideProgramError as error:
        missing = isinstance(error, OutsideProgramMissingError)
        finding = Finding(
            # Dagster's side has libraries of its own, and may reach what cannot be asked from here.
            severity="warning" if missing else "error",
            code="client",
            place=place,
            message=error.problem,
            cure=error.cure if missing or cure is None else cure,
        )
        seen = Seen(part=part, found="not asked" if missing else "no answer")
        return Diagnosis(seen=[seen], findings=[finding])
    return Diagnosis(seen=[Seen(part=part, found=found)], findings=findings)


def _ask_engine(engine: DockerCommand) -> tuple[str, list[Finding]]:
    return f"Docker engine {engine.version()}", []


def _ask_cluster(cluster: KubectlCommand) -> tuple[str, list[Finding]]:
    cluster.pods()
    return "a cluster that shows its pods", []


def _ask_host(
    client: SshClient, host: str, worker: Installed, project: Path
) -> tuple[str, list[Finding]]:
    """Ask the interpreter on a host what is installed there, by the way that workers are started."""
    said = {
        "BatchMode": "yes",
        "ConnectTimeout": str(max(1, round(client.connect_timeout_s))),
        **client.ssh_options,
    }
    config = ["-F", client.ssh_config] if client.ssh_config else []
    options = [part for key, value in said.items() for part in ("-o", f"{key}={value}")]
    program = OutsideProgram(
        ["ssh", "-T", *config, *options, "--", host],
        asked=f"the host '{host}'",
        missing="Install OpenSSH's client, or run this where Dagster runs.",
        cure=f"See that `ssh {host} true` goes there without a question, and check `python` and "
        "`project_dir` of the client: that environment needs `kedro-dagster-pipes[kedro]`.",
    )
    folder = shell_word(client.project_dir or str(project))
    python = shell_word(client.python or sys.executable)
    there = ask_environment(program, f"cd {folder} && exec {python} -m kedro_manifest")
    return there.describe("kedro"), list(check_skew(worker, there, f"host: {host}"))
