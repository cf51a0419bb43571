"""What Dagster's interface shows as out of date: after a run, a change of code, and of data."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

INSTANCE = """\
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
FRESH = ("FRESH", [])
IN_PROCESS = {"execution": {"config": {"in_process": {}}}}


def _webserver():
    file = Path(__file__).with_name("conformance") / "webserver.py"
    spec = importlib.util.spec_from_file_location("webserver_of_staleness", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Webserver


@pytest.fixture
def folder(copy_of, write_definitions, kedro_python):
    """The project `spaceport`, with definitions of its own."""
    folder = copy_of("spaceport")
    write_definitions(folder, kedro_python)
    return folder


@pytest.fixture
def web(folder, tmp_path):
    """Dagster's web server with that project in it."""
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    server = _webserver()(tmp_path, [folder / "definitions.py"])
    yield server
    server.close()


def run(web, job):
    """Run a job; return what is stale then, of what the job makes."""
    run_id = web.launch("definitions.py", job, IN_PROCESS)
    assert web.wait(run_id, within_s=120) == "SUCCESS"
    return web.staleness()


def change(file, old, new):
    """Change a file of the project."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_what_is_stale(web, folder, export):
    """All is fresh after one step has made it; changed code and parameters make it stale."""
    names = ["clean_companies", "clean_shuttles", "model_input"]
    after_run = run(web, "ingestion")
    change(folder / "src/spaceport/pipelines/ingestion.py", "/ 100", "/ 10")
    change(folder / "conf/base/parameters.yml", "minimum_seats: 4", "minimum_seats: 5")
    export(folder)
    web.reload("definitions.py")
    after_change = web.staleness()
    made_again = run(web, "ingestion")

    assert [FRESH] * 3 == [after_run[name] for name in names]
    assert ("STALE", ["CODE"]) == after_change["clean_companies"]
    assert ("STALE", ["CODE"]) == after_change["clean_shuttles"]
    assert FRESH == after_change["model_input"]
    assert [FRESH] * 3 == [made_again[name] for name in names]
