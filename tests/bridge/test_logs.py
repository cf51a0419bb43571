"""What nodes log and print: in the run's log and in the step's output, once, in order, live."""

import threading
import time

import dagster as dg
import pytest
from dagster_kedro import KedroSubprocessClient

LOGGING = """
version: 1
formatters:
  own: {format: "OWN %(levelname)s %(message)s"}
handlers:
  rich: {class: kedro.logging.RichHandler, rich_tracebacks: true}
  console: {class: logging.StreamHandler, stream: ext://sys.stdout, formatter: own}
  file: {class: logging.FileHandler, filename: data/info.log, formatter: own}
loggers:
  kedro: {level: INFO}
  chatty: {level: DEBUG, handlers: [console]}
root: {level: INFO, handlers: [rich, file]}
"""


class Told:
    """A finished run, with what its step has written to its own streams."""

    def __init__(self, run, captured):
        self.run = run
        self.logged = run.logged
        self.texts = [text for _, text in run.logged]
        self.out, self.err = captured.out.splitlines(), captured.err.splitlines()

    def of(self, text):
        """The one entry with some text in it."""
        (entry,) = [entry for entry in self.logged if text in entry[1]]
        return entry


@pytest.fixture(scope="module", params=["file", pytest.param("stdout", marks=pytest.mark.slow)])
def told(request, copy_of, run_job, tmp_path_factory):
    """A run of everything; the node that waits goes on when its line is in Dagster's storage."""
    folder = copy_of("chatty")
    (folder / "data").mkdir()

    def watch():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            runs = instance.get_run_ids()
            entries = instance.all_logs(runs[0]) if runs else []
            if any("is anybody there" in entry.user_message for entry in entries):
                (folder / "data/read").touch()
                return
            time.sleep(0.1)

    home = str(tmp_path_factory.mktemp("instance"))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with dg.DagsterInstance.local_temp(home) as instance:
        watcher = threading.Thread(target=watch)
        watcher.start()
        capture.read_global_capture()
        run = run_job(
            folder,
            "__default__",
            instance=instance,
            client=KedroSubprocessClient(messages=request.param),
            max_concurrent=2,
        )
        watcher.join()
    captured = capture.read_global_capture()
    told = Told(run, captured)
    told.captured_by_the_node = (folder / "data/captured.txt").read_text()
    return told


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("INFO", "[talk] chatty.nodes: a step"),
        ("INFO", "[talk] chatty.nodes: two\nlines"),
        ("ERROR", "[talk] some.library: not good"),
        ("ERROR", "[talk] bare: kept from the root logger"),
        ("INFO", "[talk] stdout: printed"),
        ("INFO", "[talk] stderr: a complaint"),
        ("INFO", "[listen] stdout: the next node"),
        ("INFO", "[redirect] stdout: for everybody"),
    ],
)
def test_entries(told, level, text):
    """What is logged or printed is one entry, with its level, logger and node."""
    assert 1 == told.logged.count((level, text))


@pytest.mark.parametrize(
    "text",
    [
        *("a step", "after printing", "two\nlines", "not good", "kept from the root logger"),
        *("by a handler of its own", "an old habit", "100 %", "from a thread"),
        *("written by native code", "held back by native code", "said by a subprocess"),
        *("that nobody breaks " * 10, "the next node", "the last words", "half a li"),
    ],
)
def test_once(told, text):
    """Nothing is lost, and nothing is told twice: a handler's copy of a record is no output."""
    assert 1 == sum(text in entry for entry in told.texts)


def test_kedros_own_progress(told):
    """What Kedro says of nodes and datasets stands in the step's output; the log has our events."""
    assert any("Running node: talk" in line for line in told.err)
    infos = [text for level, text in told.logged if level == "INFO"]
    assert [] == [text for text in infos if "] kedro." in text]


@pytest.mark.parametrize(
    "text",
    ["written by native code", "held back by native code", "said by a subprocess"],
)
def test_output_beside_python(told, text):
    """What native code and subprocesses write is told with the node that ran, not the next one."""
    level, entry = told.of(text)

    assert ("INFO", True) == (level, entry.startswith("[talk] stdout"))


def test_order(told):
    """What a node prints stands between what it logs before and after."""
    said = ["a step", "stdout: printed", "after printing", "stderr: a complaint", "two\nlines"]
    places = [told.texts.index(told.of(text)[1]) for text in said]

    assert sorted(places) == places


def test_tracebacks(told):
    """A record's traceback, and a failing handler's, is whole and in the entry."""
    level, text = told.of("a failure")

    assert "ERROR" == level
    assert text.startswith("[talk] chatty.nodes: a failure\nTraceback (most recent call last):")
    assert text.endswith("KeyError: 'lost key'")


def test_traceback_of_a_failed_node(told):
    """It is told once, though the worker's last output is the same traceback."""
    tracebacks = [
        entry for entry in told.logged if "Traceback" in entry[1] and "no luck" in entry[1]
    ]

    assert [("ERROR", True)] == [
        (level, "Node 'fail' failed" in text) for level, text in tracebacks
    ]
    assert any("ValueError: no luck" in line for line in told.err)


def test_progress_bar(told):
    """Of a line that is written over, the last state is told."""
    assert ("INFO", "[talk] stderr: 100 %") in told.logged


def test_a_flood_is_told_in_few_entries(told):
    """Twenty thousand lines are all told, and do not cost an entry each."""
    entries = [text for text in told.texts if text.startswith("[flood] stdout")]
    lines = [line for text in entries for line in text.splitlines() if line.startswith("line ")]

    assert [f"line {number}" for number in range(20_000)] == lines
    assert len(entries) < 50


def test_a_killed_worker_has_said_everything(told):
    """What was printed before SIGKILL is told, even without the end of the line."""
    said = [text for text in told.texts if text.startswith("[die] stdout")]
    lines = [line for text in said for line in text.split("\n")[-2:]]

    assert ["the last words", "half a li"] == [
        line.removeprefix("[die] stdout: ") for line in lines
    ]


def test_a_node_that_captures_gets_no_marks(told):
    """What is printed into a file that stands for standard output is what was printed."""
    assert "for the file\n" == told.captured_by_the_node


def test_output_of_the_step(told):
    """The step's own output has it all, by stream, with group and node, without marks."""
    assert "[conversation: talk] printed" in told.out
    assert "[conversation: talk] a complaint" in told.err
    assert "[die] half a li" in told.out
    assert any("chatty.nodes: a step" in line for line in told.err)
    assert not [line for line in (*told.out, *told.err) if "\x01" in line or "kp:" in line]


def test_below_the_level(told):
    """What is below the level, or not made by the project's logging, stays away."""
    assert not any("a detail" in text for text in told.texts)


@pytest.fixture(scope="module")
def own(request, copy_of, export, run_job):
    """A run of a project with a `logging.yml` of its own, and levels in `dagster.yml`."""
    folder = copy_of("chatty")
    (folder / "data").mkdir()
    (folder / "conf/logging.yml").write_text(LOGGING)
    with (folder / "conf/base/dagster.yml").open("a") as settings:
        settings.write("logs: {datasets: debug}\n")
    export(folder)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    capture.read_global_capture()
    run = run_job(folder, "talking", log_level="debug")
    own = Told(run, capture.read_global_capture())
    own.file = (folder / "data/info.log").read_text().splitlines()
    return own


def test_chosen_level(own):
    """`log_level` of the resource lets pass what the project's logging makes."""
    assert ("DEBUG", "[talk] chatty.nodes: a detail") in own.logged


def test_own_handlers(own):
    """The project's handlers write what they would under `kedro run`; nothing is told twice."""
    assert "OWN INFO a step" in own.file
    assert "[conversation: talk] OWN INFO a step" in own.out
    assert 1 == sum("a step" in text for text in own.texts)
    assert 1 == sum("a failure" in text for text in own.texts)


def test_rich_handlers_do_not_wrap(own):
    """A rich handler writes whole lines: there is no terminal to draw on."""
    (line,) = (line for line in own.out if "a long line" in line and "OWN" not in line)

    assert line.endswith("INFO     chatty.nodes: a long line " + "that nobody breaks " * 10)


def test_progress(own):
    """Start and end of each node are told, with its times, and how far the step is."""
    assert "[talk] started." in own.texts
    assert own.of("[talk] finished in ")[1].endswith(" 1 of 2 nodes, 0 running.")
    assert own.of("[listen] finished in ")[1].endswith(" 2 of 2 nodes, 0 running.")
    assert ("DEBUG", "[listen] loading 'talked'.") in own.logged
    assert own.of("[listen] saved 'heard' in ")[0] == "DEBUG"
