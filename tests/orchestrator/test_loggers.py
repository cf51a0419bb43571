"""Loggers of dagster.yml: what a run logs reaches their handlers."""

import logging
import warnings

import dagster as dg
import pytest
from dagster_kedro import build_definitions
from kedro_manifest.errors import OrchestrationError

FILE = {"class": "logging.FileHandler", "filename": "run.log"}


class Shouting(logging.Formatter):
    """A formatter with an argument of its own."""

    def __init__(self, mark):
        super().__init__()
        self.mark = mark

    def format(self, record):
        """Shout."""
        return record.getMessage().upper() + self.mark


class Only:
    """A filter with an argument of its own."""

    def __init__(self, word):
        self.word = word

    def filter(self, record):
        """Keep what has the word."""
        return self.word in record.getMessage()


@pytest.fixture
def run(project, node, playing, tmp_path):
    """Run a job with loggers; return the lines of the file that they write to."""

    def run_job(logger, *, loggers=("audit",), run_config=None) -> list[str]:
        make = node("make", [], ["table"])
        orchestration = {"jobs": {"j": {"loggers": list(loggers)}}, "loggers": {"audit": logger}}
        definitions = build_definitions(
            project(make, orchestration=orchestration), client=playing(make)
        )
        dg.Definitions.validate_loadable(definitions)
        job = definitions.resolve_job_def("j")
        assert job.execute_in_process(run_config=run_config).success
        return (tmp_path / "run.log").read_text().splitlines()

    return run_job


def test_a_line_of_a_node_reaches_a_file(run):
    """A job that lists a logger uses it by itself; a relative name starts at the project."""
    lines = run({"handlers": [FILE]})

    (line,) = (line for line in lines if "hello from make" in line)
    assert " - audit - INFO - " in line


def test_levels(run):
    """Both the logger and a handler have a level, in any spelling; the Launchpad may change it."""
    assert [] == run({"log_level": "error", "handlers": [FILE]})
    assert [] == run({"handlers": [{**FILE, "level": "error"}]})
    config = {"loggers": {"audit": {"config": {"log_level": "DEBUG"}}}}
    lines = run({"log_level": "ERROR", "handlers": [FILE]}, run_config=config)
    assert any("DEBUG" in line for line in lines)


@pytest.mark.parametrize("key", ["class", "()"])
def test_formatters_and_filters(run, key):
    """Classes of one's own get their arguments, however they are spelled."""
    lines = run(
        {
            "handlers": [{**FILE, "formatter": "loud", "filters": ["greetings"]}],
            "formatters": {"loud": {key: f"{__name__}.Shouting", "mark": "!"}},
            "filters": {"greetings": {key: f"{__name__}.Only", "word": "hello"}},
        }
    )

    (line,) = lines
    assert line.endswith("HELLO FROM MAKE!")


def test_a_format(run):
    """A formatter of `logging` itself takes its words."""
    formatter = {"format": "{levelname}|{message}", "style": "{"}
    lines = run({"handlers": [{**FILE, "formatter": "short"}], "formatters": {"short": formatter}})

    assert any(line.startswith("INFO|") and line.endswith("hello from make") for line in lines)


def test_without_handlers_it_writes_to_standard_output(run, tmp_path, capfd):
    """A logger without handlers is not a silent one; Dagster's console stays on besides."""
    (tmp_path / "run.log").touch()
    run({})

    written = capfd.readouterr()
    assert "audit - INFO - " in written.out
    assert "hello from make" in written.out
    assert "hello from make" in written.err
    assert "STEP_SUCCESS" in written.err


def test_dagsters_own_console(run, tmp_path, capfd):
    """`console` needs no entry."""
    (tmp_path / "run.log").touch()
    with pytest.warns(UserWarning, match=r"loggers\.audit"):
        run({}, loggers=["console"])

    written = capfd.readouterr()
    assert ("", True) == (written.out, "hello from make" in written.err)


def test_in_place(run):
    """A job may describe a logger itself, as in kedro-dagster."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "dagster.yml: no job names")
        lines = run({}, loggers=[{"handlers": [FILE]}])
        loud = {
            "handlers": [{**FILE, "mode": "w", "formatter": "loud", "filters": ["greetings"]}],
            "formatters": {"loud": {"class": f"{__name__}.Shouting", "mark": "!"}},
            "filters": {"greetings": {"class": f"{__name__}.Only", "word": "hello"}},
        }
        shouted = run({}, loggers=[loud])
        silent = run({}, loggers=[{**loud, "log_level": "ERROR"}])

    assert any(" - j_logger_0 - " in line for line in lines)
    assert ["HELLO FROM MAKE!"] == [line[-16:] for line in shouted]
    assert [] == silent


@pytest.mark.parametrize(
    ("logger", "place", "said"),
    [
        ({"log_level": "INF"}, "log_level", "'INFO'"),
        ({"handlers": [{"class": "logging.FileHandlr"}]}, "handlers.0.class", "FileHandlr"),
        ({"handlers": [{"level": "INFO"}]}, "handlers.0", "has no class"),
        ({"handlers": [{**FILE, "formatter": "simpel"}]}, "handlers.0.formatter", "no formatter"),
        ({"handlers": [{**FILE, "filters": ["x"]}]}, "handlers.0.filters", "no filter"),
        ({"formatters": {"f": {"format": "{a", "style": "{"}}}, "formatters.f", "ValueError"),
        ({"formatters": {"f": {"()": "no.such"}}}, "formatters.f", "ModuleNotFoundError"),
        ({"filters": {"f": {"()": f"{__name__}.Only"}}}, "filters.f", "'word'"),
        ({"handler": []}, "handler", "'handlers'"),
    ],
    ids=str,
)
def test_wrong_loggers(run, logger, place, said):
    """The definitions do not load; the error stands at the entry."""
    with pytest.raises(OrchestrationError) as caught:
        run(logger)

    assert f"loggers.audit.{place}" == caught.value.place
    assert said in str(caught.value)


def test_a_file_that_cannot_be_opened(run):
    """What only a run can find out fails the run, and names the entry."""
    handler = {**FILE, "filename": "no/such/folder/run.log"}

    with pytest.raises(OrchestrationError, match=r"audit\.handlers\.0: .*FileNotFoundError"):
        run({"handlers": [handler]})
