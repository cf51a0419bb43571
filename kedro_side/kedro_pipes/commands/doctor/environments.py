"""The two environments: what is installed in each, and whether they speak the same language.

The other interpreter is asked as it is, by `python -m kedro_manifest`; no Dagster is started.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from kedro_manifest.findings import Finding
from kedro_manifest.installed import Installed
from kedro_manifest.orchestration.clients import DockerClient, K8sClient
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.spelling import executor_kind

from kedro_pipes.commands.doctor.view import Diagnosis, Seen
from kedro_pipes.commands.outside import OutsideProgram, OutsideProgramError

_EXTRAS: dict[type | str, tuple[str, str]] = {
    DockerClient: ("docker", "docker"),
    K8sClient: ("kubernetes", "k8s"),
    "docker": ("dagster-docker", "docker"),
    "k8s_job": ("dagster-k8s", "k8s"),
    "celery": ("dagster-celery", "celery"),
    "celery_docker": ("dagster-celery-docker", "celery"),
    "celery_k8s_job": ("dagster-celery-k8s", "celery"),
    "dask": ("dagster-dask", "dask"),
}
"""By client or kind of executor: what it needs beside Dagster, and the extra that brings it."""


def find_dagster_python() -> Path | None:
    """Return the interpreter of the `dagster` command on the PATH; None if there is none."""
    command = shutil.which("dagster")
    if command is None:
        return None
    # A command that is a link into an environment, as pipx makes it, is followed there; its
    # interpreter is not, since a virtual environment is found through that link itself.
    python = Path(os.path.realpath(command)).with_name("python")
    return python if python.is_file() else None


def ask_environment(program: OutsideProgram, *arguments: str) -> Installed:
    """Return what an interpreter, which the arguments end with, says is installed beside it.

    Raises:
        OutsideProgramError: It cannot be asked, or has no such version of us as can tell.
    """
    # The last line: what an environment prints at every start comes before.
    *_, line = program.run(*arguments).strip().splitlines() or [""]
    try:
        return msgspec.json.decode(line, type=Installed)
    except msgspec.DecodeError as error:
        raise program.failed(f"its answer is '{line[:80]}'") from error


def look_at_environments(
    worker: Installed, dagster_python: Path | None, orchestration: Orchestration | None
) -> Diagnosis:
    """Look at both environments, as far as it is known where Dagster's is.

    Args:
        worker: What is installed here.
        dagster_python: The interpreter beside Dagster.
        orchestration: Says which extras are needed there; None where nobody knows.
    """
    worker_seen = Seen(part="worker", found=worker.describe("kedro", "dagster-pipes"))
    findings = list(_check_worker(worker))
    if dagster_python is None:
        seen = [worker_seen, Seen(part="orchestrator", found="not known where")]
        return Diagnosis(seen=seen, findings=[*findings, _UNKNOWN])
    try:
        other = _ask_orchestrator(dagster_python)
    except OutsideProgramError as error:
        seen = [worker_seen, Seen(part="orchestrator", found="no answer")]
        refused = Finding(
            severity="error",
            code="orchestrator",
            place=f"orchestrator: {dagster_python}",
            message=error.problem,
            cure=error.cure,
        )
        return Diagnosis(seen=seen, findings=[*findings, refused])
    findings += _check_orchestrator(other, orchestration)
    findings += check_skew(worker, other, f"orchestrator: {other.executable}")
    orchestrator_seen = Seen(
        part="orchestrator", found=f"{other.describe('dagster')}, {other.executable}"
    )
    return Diagnosis(seen=[worker_seen, orchestrator_seen], findings=findings)


def check_skew(here: Installed, there: Installed, place: str) -> Iterator[Finding]:
    """Compare what two sides are made of: another major version is refused, others are doubtful."""
    for what, mine, theirs in (
        ("manifest format", here.manifest_format, there.manifest_format),
        ("protocol", here.protocol, there.protocol),
    ):
        if mine.partition(".")[0] != theirs.partition(".")[0]:
            yield Finding(
                severity="error",
                code="skew",
                place=place,
                message=f"It has {what} {theirs}, with kedro-dagster-pipes {there.version}; the worker "
                f"has {mine}, with {here.version}. Neither takes what the other one says.",
                cure="Install the same version of kedro-dagster-pipes on both sides, and export again.",
            )
            return
    if here.version != there.version:
        yield Finding(
            severity="warning",
            code="skew",
            place=place,
            message=f"It has kedro-dagster-pipes {there.version}, the worker {here.version}. They "
            "understand each other; what is new in one of them is not in the other.",
            cure="Install the same version on both sides.",
        )


_UNKNOWN = Finding(
    severity="warning",
    code="orchestrator",
    place="orchestrator",
    message="Nothing is known of the environment that Dagster runs in: no `dagster` command is on the "
    "PATH.",
    cure="Name its interpreter with `--dagster-python PATH`, or in the variable DAGSTER_PYTHON.",
)


def _ask_orchestrator(python: Path) -> Installed:
    program = OutsideProgram(
        [str(python)],
        asked="the orchestrator's environment",
        missing="Name the interpreter beside Dagster with `--dagster-python PATH`.",
        cure="Install `kedro-dagster-pipes[dagster]` there, of the worker's version, or name another "
        "interpreter with `--dagster-python PATH`.",
    )
    return ask_environment(program, "-m", "kedro_manifest")


def _check_worker(worker: Installed) -> Iterator[Finding]:
    if "dagster-pipes" not in worker.packages:
        yield Finding(
            severity="error",
            code="worker",
            place=f"worker: {worker.executable}",
            message="The package `dagster-pipes` is not installed, by which workers report.",
            cure="Install `kedro-dagster-pipes[kedro]` here.",
        )
    yield from _check_apart(worker, "worker", "dagster")


def _check_orchestrator(other: Installed, orchestration: Orchestration | None) -> Iterator[Finding]:
    place = f"orchestrator: {other.executable}"
    if "dagster" not in other.packages:
        yield Finding(
            severity="error",
            code="orchestrator",
            place=place,
            message="Dagster is not installed there.",
            cure="Install `kedro-dagster-pipes[dagster]` there, or name the interpreter beside Dagster "
            "with `--dagster-python PATH`.",
        )
    yield from _check_apart(other, "orchestrator", "kedro")
    for entry, needed in _needs(orchestration) if orchestration else ():
        package, extra = _EXTRAS[needed]
        if package not in other.packages:
            yield Finding(
                severity="error",
                code="extra",
                place=place,
                message=f"`{entry}` of dagster.yml needs the package `{package}`, which is not there.",
                cure=f"Install `kedro-dagster-pipes[{extra}]` beside Dagster.",
            )


def _check_apart(side: Installed, name: str, framework: str) -> Iterator[Finding]:
    if framework in side.packages:
        yield Finding(
            severity="warning",
            code="not-apart",
            place=f"{name}: {side.executable}",
            message=f"{framework.capitalize()} {side.packages[framework]} is installed there, which the "
            f"{name} does not need: both frameworks have to agree on every library.",
            cure="Make an environment for each side, with `kedro-dagster-pipes[kedro]` in one and "
            "`kedro-dagster-pipes[dagster]` in the other.",
        )


def _needs(orchestration: Orchestration) -> Iterator[tuple[str, type | str]]:
    """Yield the entries of `dagster.yml` that need an extra, and its key."""
    for name, client in orchestration.clients.items():
        if type(client) in _EXTRAS:
            yield f"clients.{name}", type(client)
    written = {
        **{f"executors.{name}": each for name, each in orchestration.executors.items()},
        "executor": orchestration.executor,
        **{f"jobs.{name}.executor": job.executor for name, job in orchestration.jobs.items()},
    }
    for place, executor in written.items():
        # A name of one's own is found under `executors`, and no kind.
        for kind in [executor] if isinstance(executor, str) else executor or ():
            own = isinstance(executor, str) and executor in orchestration.executors
            if not own and executor_kind(kind) in _EXTRAS:
                yield place, executor_kind(kind)
