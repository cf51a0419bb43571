"""What a run tells while it runs: events for people, loggers and callbacks; output; progress."""

import json
import logging

import dagster as dg
import pytest
import yaml
from dagster_kedro import (
    DatasetLoading,
    DatasetSaved,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    StepProgress,
    build_definitions,
)
from dagster_kedro.clients.base import OutputLine, WorkerExit
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from dagster_kedro.running import output_log
from kedro_manifest.events import DatasetLoaded, DatasetSaving, encode_event

SEEN = []


class Keeping(logging.Handler):
    """Keeps the extra fields of what is logged."""

    def emit(self, record):
        """Keep them."""
        SEEN.append((record.levelname, getattr(record, "kedro_event", None), record.getMessage()))


def event(of):
    return ("report_custom_message", {"payload": encode_event(of)})


def saved(key):
    params = {"asset_key": key, "metadata": {}, "data_version": None}
    return ("report_asset_materialization", params)


def life_of(name, dataset):
    """Return the messages of a worker whose one node loads, runs and saves."""
    return [
        ("opened", {}),
        event(NodeStarted(node=name)),
        event(DatasetLoading(node=name, dataset="raw")),
        event(DatasetLoaded(node=name, dataset="raw", duration_s=0.5)),
        event(DatasetSaving(node=name, dataset=dataset)),
        event(DatasetSaved(node=name, dataset=dataset, duration_s=0.25, size_bytes=3 * 2**20)),
        saved(dataset),
        event(
            NodeFinished(
                node=name, load_s=0.5, compute_s=1, save_s=0.25, cpu_s=0.9, peak_memory_bytes=2**30
            )
        ),
        ("closed", {}),
    ]


WELL = [
    Script(lines=script_lines(*life_of("make", "table"))),
    Script(lines=script_lines(*life_of("tell", "story"))),
]


@pytest.fixture
def run(project, node):
    """Run two nodes, one after the other, as scripted; return the result and the log."""

    def run_nodes(make=WELL[0], tell=WELL[1], *, instance=None, logs=None, **options):
        definitions = build_definitions(
            project(
                node("make", ["raw"], ["table"]),
                node("tell", ["table"], ["story"]),
                orchestration={"logs": logs or {}},
            ),
            client=ScriptedClient.playing({"make": make, "tell": tell}),
            **options,
        )
        with instance or dg.DagsterInstance.ephemeral() as used:
            job = definitions.resolve_job_def("__default__")
            result = job.execute_in_process(instance=used, raise_on_error=False)
            entries = used.all_logs(result.run_id)
        logged = [
            (logging.getLevelName(entry.level), entry.user_message)
            for entry in entries
            if entry.dagster_event is None
        ]
        return result, logged

    return run_nodes


def test_lines(run):
    """Each event is a line; those of datasets stand at a level of their own."""
    _, logged = run(logs={"datasets": "debug"})

    finished = (
        "[make] finished in 1.75 s (load 0.50, compute 1.00, save 0.25, processor 0.90; memory up "
        "to 1 GiB). 1 of 2 nodes, 0 running."
    )
    assert [
        ("INFO", "[make] started."),
        ("DEBUG", "[make] loading 'raw'."),
        ("DEBUG", "[make] loaded 'raw' in 0.50 s."),
        ("DEBUG", "[make] saving 'table'."),
        ("DEBUG", "[make] saved 'table' in 0.25 s (3 MiB)."),
        ("INFO", finished),
    ] == [entry for entry in logged if entry[1].startswith("[make]")]


def test_only_slow_datasets_by_default(run):
    """By itself, a run's log tells of datasets only that one took a second or longer."""
    events = []
    slow = DatasetLoaded(node="make", dataset="raw", duration_s=1.0)
    quick = DatasetLoaded(node="make", dataset="small", duration_s=0.9)
    make = Script(
        lines=script_lines(
            ("opened", {}),
            event(NodeStarted(node="make")),
            event(quick),
            event(slow),
            *life_of("make", "table")[2:],
        )
    )
    result, logged = run(make, on_event=lambda _, each: events.append(each))

    assert result.success
    assert [("DEBUG", "[make] loaded 'raw' in 1.00 s.")] == [
        each for each in logged if "loaded '" in each[1] or "saved '" in each[1]
    ]
    assert {slow, quick} <= {each for each in events if isinstance(each, DatasetLoaded)}


@pytest.mark.parametrize(("level", "expected"), [("info", {"INFO"}), ("none", set())])
def test_level_of_dataset_events(run, level, expected):
    """`logs.datasets` says at which level, or not at all; the callback is told anyway."""
    events = []
    _, logged = run(logs={"datasets": level}, on_event=lambda _, each: events.append(each))

    assert expected == {each for each, text in logged if "saving" in text}
    assert DatasetSaving(node="make", dataset="table") in events


def test_callback(run):
    """It is told of every event in order, with the step's context, and of the progress."""
    calls = []
    result, _ = run(on_event=lambda *call: calls.append(call))
    events = [each for _, each in calls]

    assert result.success
    assert NodeStarted(node="make") == events[0]
    assert [
        StepProgress(finished=1, total=2, running=0),
        StepProgress(finished=2, total=2, running=0),
    ] == [each for each in events if isinstance(each, StepProgress)]
    assert {result.run_id} == {context.run.run_id for context, _ in calls}
    assert 14 == len(events)


def test_a_callback_that_raises(run):
    """It loses no result: the log has its traceback, and how often it raised."""

    def fail(_, each):
        raise RuntimeError(f"no time for {type(each).__name__}")

    result, logged = run(on_event=fail)
    errors = [text for level, text in logged if level == "ERROR"]

    assert result.success
    assert 2 == len(result.get_asset_materialization_events())
    assert "RuntimeError: no time for NodeStarted" in errors[0]
    assert ["`on_event` has raised 14 times in this step."] == errors[1:]


def test_callback_beside_a_function_of_ones_own(run):
    """`execute` has to pass it on, so that it is refused, and not passed over."""
    with pytest.raises(TypeError, match="would never be called"):
        run(on_event=print, execute=lambda context, kedro: kedro.run(context).stream())


def test_progress_of_what_fails(run):
    """A node whose worker is gone is not running; one that failed is counted as that."""
    failed = NodeFailed(
        node="make", phase="compute", error_type="KeyError", message="x", traceback="…"
    )
    progress = []
    make = Script(
        lines=script_lines(("opened", {}), event(NodeStarted(node="make")), event(failed)),
        ended=WorkerExit(code=1),
    )
    run(make, on_event=lambda _, each: progress.append(each))

    assert StepProgress(finished=0, total=2, running=0, failed=1) == progress[-1]
    assert "0 of 2 nodes, 0 running, 1 failed" == str(progress[-1])


def test_loggers_read_events(run, tmp_path):
    """The handlers that Dagster's own dagster.yaml names get each event's fields, and all lines."""
    SEEN.clear()
    handlers = {"keeping": {"class": f"{__name__}.Keeping"}}
    (tmp_path / "dagster.yaml").write_text(
        yaml.safe_dump({"python_logs": {"dagster_handler_config": {"handlers": handlers}}})
    )
    make = Script(lines=WELL[0].lines, output=["printed"])
    instance = dg.DagsterInstance.from_config(str(tmp_path))
    run(make, instance=instance, logs={"datasets": "debug"})
    events = [of for _, of, _ in SEEN if of]

    assert {"event": "DatasetLoading", "node": "make", "dataset": "raw"} in events
    assert json.loads(json.dumps(events)) == events
    assert [("INFO", None)] == [
        (level, of) for level, of, text in SEEN if "stdout: printed" in text
    ]


def printed(run, *lines, **options):
    """Return the entries of what a worker prints before its node starts."""
    make = Script(lines=WELL[0].lines, output=list(lines))
    _, logged = run(make, **options)
    return [entry for entry in logged if "stdout" in entry[1] or "stderr" in entry[1]]


@pytest.mark.parametrize(
    ("level", "expected"), [("info", ["INFO"]), ("debug", ["DEBUG"]), ("none", [])]
)
def test_level_of_output(run, level, expected):
    """`logs.output` says at which level printed lines are told, or not at all."""
    assert expected == [each for each, _ in printed(run, "hello", logs={"output": level})]


def test_output_in_order(run):
    """A line stands behind the message that came before it, with its node or group."""
    make = Script(
        lines=WELL[0].lines,
        output=[
            OutputLine(text="late", node="make", after=3),
            OutputLine(text="early"),
            OutputLine(text="bad", stream="stderr", node="make", after=3),
        ],
    )
    _, logged = run(make, logs={"datasets": "debug"})
    texts = [text for _, text in logged if text.startswith("[make]")]

    assert "[make] stdout: early" == texts[0]
    at = texts.index("[make] loading 'raw'.")
    assert ["[make] stdout: late", "[make] stderr: bad"] == texts[at + 1 : at + 3]


def test_many_lines_share_an_entry(run):
    """What comes at once is one entry, within bounds; streams that alternate do not part it."""
    lines = [
        OutputLine(text="x" * 1000, stream="stdout" if number % 2 else "stderr")
        for number in range(200)
    ]
    entries = [text for _, text in printed(run, *lines)]

    assert 4 == len(entries)
    assert 200 == sum(text.count("x" * 1000) for text in entries)
    assert entries[0].startswith("[make] stderr, 65 lines:\n")


def test_records_that_come_in_a_crowd(run):
    """They share an entry with their neighbours of the same level, each with its own beginning."""
    records = [
        ("log", {"message": f"[make] shop: {number}", "level": "ERROR" if number == 70 else "INFO"})
        for number in range(300)
    ]
    opened, *rest = life_of("make", "table")
    _, logged = run(Script(lines=script_lines(opened, *records, *rest)))
    entries = [(level, text) for level, text in logged if "shop" in text]

    assert [("INFO", 70), ("ERROR", 1), ("INFO", 229)] == [
        (level, text.count("[make] shop: ")) for level, text in entries
    ]


def test_more_output_than_anybody_reads(run):
    """What is beyond the limit is counted, and said to be in the step's output."""
    lines = ["x" * 60_000] * 40
    make = Script(lines=WELL[0].lines, output=lines)
    _, logged = run(make)
    told = sum(text.count("x" * 60_000) for _, text in logged)

    assert output_log.TOLD_CHARACTERS // 60_001 == told
    assert (
        "WARNING",
        f"[make] {40 - told} more lines of its output are in the step's output (stdout, stderr) only.",
    ) in logged
