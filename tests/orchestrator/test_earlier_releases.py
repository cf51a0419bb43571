"""Manifests and workers of every release so far, with this orchestrator; see tools/freeze_release.py."""

import importlib.util
import sys
from pathlib import Path

import msgspec
import pytest
from dagster_kedro import KedroProject, build_definitions
from dagster_kedro.channel import MessageStream
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.scripted import Script, ScriptedClient
from kedro_manifest.frames import FrameReader

ROOT = Path(__file__).parents[2]
RELEASES = sorted((ROOT / "tests/fixtures").iterdir())
RUNS = [file.parent for release in RELEASES for file in sorted(release.glob("*/run.json"))]


def of(folder):
    """Name a test for what it plays."""
    return f"{folder.parent.name}-{folder.name}"


@pytest.fixture(scope="module")
def freezing():
    """The script that has recorded them."""
    spec = importlib.util.spec_from_file_location(
        "freeze_release", ROOT / "tools/freeze_release.py"
    )
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def replay(freezing):
    """Play the answers of a run's workers under definitions of that release's manifest."""

    def play(folder, recorded, change=lambda lines: lines):
        scripts = {
            group: Script(
                lines=change((folder / f"{group}.answers.jsonl").read_bytes().splitlines()),
                ended=WorkerExit(code=code),
            )
            for group, code in recorded.exits.items()
        }
        project = KedroProject(folder.parent, env=freezing.ENVIRONMENT)
        definitions = build_definitions(project, client=ScriptedClient.playing(scripts))
        return recorded.asked.execute(definitions)

    return play


@pytest.fixture
def read(freezing):
    """Read what a run came to when it was recorded."""
    return lambda folder: msgspec.json.decode(
        (folder / "run.json").read_bytes(), type=freezing.Recorded
    )


@pytest.mark.parametrize("folder", RUNS, ids=of)
def test_the_answers_mean_the_same(folder, read, replay):
    """Materializations, checks and failure are those of then; metadata may have been added."""
    recorded = read(folder)
    now = replay(folder, recorded)

    then = recorded.came_to
    assert (then.checked, then.failure) == (now.checked, now.failure)
    assert [(each.asset, each.partition, each.data_version) for each in then.made] == [
        (each.asset, each.partition, each.data_version) for each in now.made
    ]
    for before, after in zip(then.made, now.made, strict=True):
        assert before.metadata.items() <= after.metadata.items()


@pytest.mark.parametrize("folder", RUNS, ids=of)
def test_a_line_less_is_a_failure(folder, read, replay):
    """What is compared is what the answers say: without one of them no run succeeds."""
    recorded = read(folder)
    first = next(iter(recorded.exits))

    changed = replay(folder, recorded, lambda lines: lines[:-2] + lines[-1:])

    assert changed.failure is not None, first


@pytest.mark.parametrize("file", sorted((ROOT / "tests/fixtures").rglob("*.frames")))
def test_frames(file):
    """Frames of a release are put together to the messages that were cut."""
    messages, output = FrameReader().feed(file.read_bytes())
    stream = MessageStream()

    assert file.with_suffix(".jsonl").read_bytes().splitlines() == messages
    assert [] == output
    assert list(range(1, len(messages) + 1)) == [
        each.number for line in messages for each in stream.feed(line)
    ]
