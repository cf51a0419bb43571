"""Freeze what a release writes: a manifest, what its workers were asked, and what they answered.

Later versions of both sides are tested with it: `tests/orchestrator/test_earlier_releases.py` reads
the manifest and plays the answers, `tests/kedro_side/test_earlier_releases.py` does what was asked.

Usage, once for each release: .venv/dagster/bin/python tools/freeze_release.py VERSION
Annotations are not postponed here, since Dagster's resource classes read them.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
from dagster_kedro import KedroProject, KedroSubprocessClient, build_definitions
from dagster_kedro.clients.base import Worker, WorkerLaunch
from kedro_manifest import __version__
from kedro_manifest.conducting import (
    Ended,
    Finish,
    Forget,
    Fork,
    Forked,
    NotForked,
    Ready,
    encode_packet,
)
from kedro_manifest.frames import encode_frames
from kedro_manifest.invocation import RunError

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "tests/projects/almanac"
ENVIRONMENT = "recorded"
RUN_FILE = "run.json"
PACKETS = [
    Fork(number=1, variables={"NAME": "value"}),
    Forget(process_id=7),
    Finish(error=RunError(type="builtins.ValueError", message="no"), remove_staged=["staged"]),
    Ready(),
    Forked(number=1, process_id=7),
    NotForked(number=2, reason="no memory"),
    Ended(process_id=7, status=256, peak_memory_bytes=1024),
]
"""What is said to a conductor, and by it."""
QUARTER = {
    "dagster/asset_partition_range_start": "2013-01",
    "dagster/asset_partition_range_end": "2013-03",
}


class Made(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A materialization."""

    asset: str
    partition: str | None
    data_version: str | None
    metadata: dict[str, str]
    """The values as text."""


class CameTo(msgspec.Struct, frozen=True, kw_only=True):
    """What Dagster knows of a run that is over."""

    made: list[Made]
    checked: list[tuple[str, str, bool]]
    """Asset, check, and whether that has passed."""
    failure: str | None
    """The type of the error that is at the bottom of the step's failure."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a job of the project."""

    job: str
    partition: str | None = None
    tags: dict[str, str] = {}
    parameters: dict[str, Any] = {}

    def execute(self, definitions: dg.Definitions) -> CameTo:
        """Run the job in this process, and say what came of it."""
        instance = dg.DagsterInstance.ephemeral()
        config = {"resources": {"kedro": {"config": {"parameters": self.parameters}}}}
        result = definitions.resolve_job_def(self.job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=config,
            partition_key=self.partition,
            tags=self.tags,
        )
        return came_to(instance, result.run_id)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A run, beside the messages of its workers: what was asked, what came of it."""

    asked: Asked
    exits: dict[str, int]
    """Exit code of the worker of each group, in the order in which they ended."""
    came_to: CameTo


# In the order of their names, since later ones need the data of those before them. The last one fails in the third of three months.
RUNS = {
    "1-amounts": Asked(job="amounts", partition="2013-01"),
    "2-models": Asked(job="models", partition="2013-01"),
    "3-summary": Asked(job="summary"),
    "4-failure": Asked(job="chunks", tags=QUARTER, parameters={"fail_at": "2013-03"}),
}


def came_to(instance: dg.DagsterInstance, run_id: str) -> CameTo:
    """Read a run's event log."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
    made = [
        each.step_materialization_data.materialization
        for each in events
        if each.is_step_materialization
    ]
    checked = [
        each.event_specific_data
        for each in events
        if each.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    failures = [each.step_failure_data.error for each in events if each.is_step_failure]
    return CameTo(
        made=sorted(map(_made, made)),
        checked=sorted(
            (each.asset_key.to_user_string(), each.check_name, each.passed) for each in checked
        ),
        failure=_bottom(failures[0]) if failures else None,
    )


def _made(materialization: dg.AssetMaterialization) -> Made:
    return Made(
        asset=materialization.asset_key.to_user_string(),
        partition=materialization.partition,
        data_version=(materialization.tags or {}).get("dagster/data_version"),
        metadata={
            name: str(value.value) for name, value in sorted(materialization.metadata.items())
        },
    )


def _bottom(error: Any) -> str:
    while error.cause is not None:
        error = error.cause
    return str(error.cls_name)


class RecordedWorker:
    """Another worker, whose lines are kept."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.lines: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worker, name)

    def read_lines(self) -> list[bytes]:
        """Return the lines since the last call."""
        return self._keep(self._worker.read_lines())

    def read_rest(self) -> list[bytes]:
        """Return those that are left."""
        return self._keep(self._worker.read_rest())

    def _keep(self, lines: list[bytes]) -> list[bytes]:
        self.lines += lines
        return lines


class Recording:
    """Where a run is written down.

    An object of its own, because Dagster copies a client each time that it binds it.
    """

    def __init__(self, folder: Path) -> None:
        self.exits: dict[str, int] = {}
        self._folder = folder

    def keep(self, launch: WorkerLaunch, worker: RecordedWorker) -> None:
        """Write down what a worker was asked and what it has answered, as it went over the channel."""
        asked = json.dumps(launch.context_data, indent=2)
        (self._folder / f"{launch.group}.asked.json").write_text(f"{asked}\n")
        answers = b"".join(line + b"\n" for line in worker.lines)
        (self._folder / f"{launch.group}.answers.jsonl").write_bytes(answers)
        self.exits[launch.group] = worker.poll().code


class RecordingClient(KedroSubprocessClient):
    """Has its workers written down."""

    recording: dg.ResourceDependency[Recording]

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Start a process, and record it."""
        with super().launch(launch) as worker:
            recorded = RecordedWorker(worker)
            yield recorded
            self.recording.keep(launch, recorded)


def main() -> int:
    """Write tests/fixtures/VERSION."""
    options = parse_arguments()
    if options.version != __version__:
        sys.exit(
            f"This is {__version__}, not {options.version}: freeze a release where it is made."
        )
    target = ROOT / "tests/fixtures" / options.version
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch).resolve() / PROJECT.name
        copy_project(project)
        copy_project(target / "project")
        command = [options.kedro_python, "-m", "kedro_pipes", "export", "--env", ENVIRONMENT]
        subprocess.run(command, cwd=project, check=True)
        shutil.copy(project / "manifest.json", target / "manifest.json")
        for name, asked in RUNS.items():
            print(f"Recording {name}")
            record(asked, project, options.kedro_python, target / name)
        hide_places(
            target,
            {project: "/project", options.kedro_python.parents[1]: "/python", ROOT: "/repository"},
        )
    write_frames(target / "4-failure")
    (target / "packets.jsonl").write_bytes(
        b"".join(encode_packet(each) + b"\n" for each in PACKETS)
    )
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", help="of the release, as `kedro_manifest.__version__` has it")
    parser.add_argument("--kedro-python", type=Path, default=ROOT / ".venv/kedro/bin/python")
    return parser.parse_args()


def copy_project(target: Path) -> None:
    """Copy what workers need of the project."""
    shutil.copytree(
        PROJECT,
        target,
        ignore=shutil.ignore_patterns("__pycache__", "data", "*.egg-info", ".gitignore"),
    )
    shutil.copytree(PROJECT / "data/01_raw", target / "data/01_raw")


def record(asked: Asked, project: Path, kedro_python: Path, folder: Path) -> None:
    """Run a job, and write down its workers and what came of it."""
    folder.mkdir()
    recording = Recording(folder)
    definitions = build_definitions(
        KedroProject(project, python=kedro_python, env=ENVIRONMENT),
        client=RecordingClient(recording=recording),
    )
    outcome = asked.execute(definitions)
    recorded = Recorded(asked=asked, exits=recording.exits, came_to=outcome)
    text = msgspec.json.format(msgspec.json.encode(recorded), indent=2)
    (folder / RUN_FILE).write_bytes(text + b"\n")


def hide_places(folder: Path, places: dict[Path, str]) -> None:
    """Let no file tell where it was recorded."""
    for file in folder.rglob("*"):
        if file.suffix in {".json", ".jsonl"}:
            text = file.read_text()
            for place, name in places.items():
                text = text.replace(str(place), name)
            file.write_text(text)


def write_frames(folder: Path) -> None:
    """Write the messages of a run's worker once more, as they come on its standard output."""
    (messages,) = folder.glob("*.answers.jsonl")
    lines = messages.read_bytes().splitlines()
    frames = [
        frame for number, line in enumerate(lines, 1) for frame in encode_frames(number, line)
    ]
    (folder / messages.name.replace(".jsonl", ".frames")).write_bytes(b"".join(frames))


if __name__ == "__main__":
    sys.exit(main())
