"""`dagster dev`: the manifest is exported for the UI, and never by a run."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory, kedro_python):
    """The Kedro environment's interpreter, which writes down what it is called with."""
    folder = tmp_path_factory.mktemp("interpreter")
    script = folder / "python"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\nexec {kedro_python} "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def exports(interpreter):
    """Return how often the interpreter was asked to export."""
    calls = interpreter.with_name("calls")
    return lambda: calls.read_text().count("kedro_pipes export") if calls.exists() else 0


@pytest.fixture(scope="module")
def project(copy_of, interpreter, write_definitions):
    """A project without a manifest, as after `git clone`."""
    folder = copy_of("relay")
    (folder / "manifest.json").unlink()
    write_definitions(folder, interpreter)
    return folder


@pytest.fixture(scope="module")
def server(project, dev_server):
    """A `dagster dev` with the project loaded."""
    with dev_server(project) as dev:
        yield dev


def test_exports_for_the_ui(server, exports):
    """The manifest is written once, when the location is loaded."""
    assert "memory" in {job["name"] for job in server.repository()["jobs"]}
    assert exports() == 1


def test_a_run_never_exports(server, project, exports):
    """A run loads the definitions again in its own processes, and exports zero times.

    Not even where sources were changed since: it runs what the UI showed.
    """
    parameters = project / "conf/base/parameters.yml"
    parameters.write_text(parameters.read_text() + "# changed\n")

    assert server.run("memory") == "SUCCESS"
    assert exports() == 1


def test_a_reload_exports_what_changed(server, project, exports):
    """Reloading the location exports again if sources changed, and not otherwise."""
    registry = project / "src/relay/pipeline_registry.py"
    registry.write_text(registry.read_text().replace('"memory": ', '"remembered": '))
    server.reload()
    changed = exports()
    server.reload()

    assert (changed, exports()) == (2, 2)
    assert "remembered" in {job["name"] for job in server.repository()["jobs"]}
