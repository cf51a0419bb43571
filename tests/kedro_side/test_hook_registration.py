"""Which hooks are registered in a project's sessions, and what is said of those that cannot be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OLD_PLUGIN = Path(__file__).parents[1] / "projects/hooked/old_plugin"
TELLING = "hooked.hooks.TellingHooks"


@pytest.fixture
def hooked(copied):
    """A project whose hooks tell of their calls, with a plugin that is called."""
    return copied("hooked")


@pytest.fixture
def kedro_pipes(hooked):
    """Run a command of ours, or the worker, in the project; a folder of plugins may be installed."""

    def run(*arguments, plugins: Path | None = None):
        paths = {"PYTHONPATH": str(plugins)} if plugins else {}
        return subprocess.run(
            [sys.executable, "-m", "kedro_pipes", *arguments],
            cwd=hooked,
            env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", **paths},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def configure(project, **content):
    (project / "conf/base/dagster.yml").write_text(json.dumps(content))


def invocation(project, **particulars) -> str:
    """Write what a worker is asked to run: one node."""
    content = {
        "group": "split",
        "nodes": ["split"],
        "pipelines": ["__default__"],
        "kedro_run_id": "2026-01-01T00.00.00.000Z",
        "dagster_run_id": "by hand",
        "package_name": "hooked",
        **particulars,
    }
    (project / "invocation.json").write_text(json.dumps(content))
    return "invocation.json"


@pytest.fixture
def broken_at_import(tmp_path):
    """A folder with an installed plugin that cannot even be imported."""
    information = tmp_path / "plugins/shaky-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: shaky\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[kedro.hooks]\nshaky = shaky:hooks\n")
    (tmp_path / "plugins/shaky.py").write_text("import a_library_that_is_gone\n")
    return tmp_path / "plugins"


def test_the_manifest_knows_the_hooks(hooked, kedro_pipes):
    """Those of settings and plugins, with what each implements, and none that is disabled."""
    assert 0 == kedro_pipes("export").returncode
    manifest = json.loads((hooked / "manifest.json").read_text())
    hooks = {each["name"]: each for each in manifest["hooks"]}

    assert {"called-plugin", TELLING, "hooked.hooks.StatefulHooks"} <= hooks.keys()
    assert "disabled-plugin" not in hooks
    stateful = hooks["hooked.hooks.StatefulHooks"]
    assert ["before_node_run", "before_pipeline_run"] == stateful["hooks"]
    assert (True, False) == (hooks[TELLING]["takes_result"], stateful["takes_result"])


@pytest.mark.newest  # before Kedro 1.0 the plugin's argument is there
@pytest.mark.parametrize("command", ["export", "check"])
def test_a_plugin_that_cannot_be_registered(kedro_pipes, command):
    """It is named, with what is wrong with it and the way out."""
    done = kedro_pipes(command, plugins=OLD_PLUGIN)
    said = " ".join((done.stdout + done.stderr).split())

    assert 1 == done.returncode
    assert "Cannot register the hooks of 'old-plugin': PluginValidationError" in said
    assert "session_id" in said
    assert "`blocked_plugins: [old-plugin]`" in said


def test_a_plugin_that_cannot_be_imported(kedro_pipes, broken_at_import):
    """It is named as well."""
    done = kedro_pipes("export", plugins=broken_at_import)

    assert "Cannot register the hooks of 'shaky': ModuleNotFoundError" in done.stderr


def test_blocked_plugins(hooked, kedro_pipes, broken_at_import):
    """They are neither imported nor registered, at export and in workers, be it a class only."""
    configure(hooked, blocked_plugins=["shaky", TELLING])
    exported = kedro_pipes("export", plugins=broken_at_import)
    names = {each["name"] for each in json.loads((hooked / "manifest.json").read_text())["hooks"]}
    (hooked / "hooks.jsonl").unlink()
    blocked = invocation(hooked, blocked_plugins=["shaky", TELLING])
    worked = kedro_pipes("--invocation", blocked, plugins=broken_at_import)
    calls = [json.loads(line) for line in (hooked / "hooks.jsonl").read_text().splitlines()]

    assert 0 == exported.returncode, exported.stderr
    assert names.isdisjoint({"shaky", TELLING})
    assert 0 == worked.returncode, worked.stderr
    assert {"called-plugin", "stateful"} == {call["who"] for call in calls}


@pytest.mark.newest  # as above
def test_a_worker_names_the_plugin(hooked, kedro_pipes):
    """A worker's environment may have a plugin that the export's has not."""
    done = kedro_pipes("--invocation", invocation(hooked), plugins=OLD_PLUGIN)

    assert 1 == done.returncode
    assert "PluginError: Cannot register the hooks of 'old-plugin'" in done.stderr


def test_names_that_mean_nothing(hooked, kedro_pipes):
    """`kedro pipes check` tells of names of hooks that are not there."""
    blocked = ["kedro-pandero", TELLING, "called_plugin"]
    configure(hooked, blocked_plugins=blocked, run_hooks={"hooked.hooks.Tellers": "once"})
    found = json.loads(kedro_pipes("check", "--json").stdout)["findings"]
    places = [each["place"] for each in found if each["code"] == "unknown-hooks"]

    assert all(place.startswith("conf/base/dagster.yml:") for place in places)
    assert {"blocked_plugins", "run_hooks.hooked.hooks.Tellers"} == {
        place.partition(": ")[2] for place in places
    }


@pytest.mark.parametrize(("run_hooks", "expected"), [("once", 1), ("per_process", 0)])
def test_state_that_is_not_there(hooked, kedro_pipes, run_hooks, expected):
    """`kedro pipes check` tells of what a hook keeps for others, unless that is there for them."""
    configure(hooked, run_hooks={"hooked.hooks.StatefulHooks": run_hooks})
    found = json.loads(kedro_pipes("check", "--json").stdout)["findings"]
    warned = [each for each in found if each["code"] == "hook-state"]

    assert expected == len(warned)
    assert all("keeps '_run_id'" in each["message"] for each in warned)
