"""A group that fails is run again within its step, as `retries` says and never twice the same."""

import random
import re
import threading
import time

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroSubprocessClient, build_definitions
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from dagster_kedro.errors import GroupFailedError, NodeFailedError
from dagster_kedro.running.retrying import run_attempts
from kedro_manifest.events import DatasetSaved, NodeFailed, NodeFinished, encode_event
from kedro_manifest.invocation import EXTRAS_KEY
from kedro_manifest.model import Dataset
from kedro_manifest.orchestration.retrying import Retries

OPENED, CLOSED = ("opened", {}), ("closed", {})
PATIENCE_S = 10


def told(event):
    return ("report_custom_message", {"payload": encode_event(event)})


def saved(node, dataset, version=None, *, again=False):
    """What the worker says of a saved dataset; one that was reported before is no asset to it."""
    metadata = {"kedro/version": {"type": "text", "raw_value": version}} if version else {}
    event = told(
        DatasetSaved(node=node, dataset=dataset, duration_s=0, version=version, metadata=metadata)
    )
    asset = {"asset_key": dataset, "metadata": metadata}
    return [event] if again else [event, ("report_asset_materialization", asset)]


def finished(node):
    return told(NodeFinished(node=node, load_s=0, compute_s=0, save_s=0))


def failed(node):
    return told(
        NodeFailed(
            node=node, phase="compute", error_type="OSError", message="no luck", traceback="…"
        )
    )


def checked(name, *, passed, severity="ERROR"):
    return (
        "report_asset_check",
        {
            "asset_key": "model",
            "check_name": name,
            "passed": passed,
            "severity": severity,
            "metadata": {},
        },
    )


def plays(*messages, code=0, **more):
    """A worker that says something and ends with a code."""
    return Script(
        lines=script_lines(OPENED, *messages, CLOSED), ended=WorkerExit(code=code), **more
    )


class Run:
    """What a user sees of a run, and what was launched for it."""

    def __init__(self, result, instance, client):
        self.success = result.success
        self.entries = instance.all_logs(result.run_id)
        events = [entry.dagster_event for entry in self.entries if entry.dagster_event]
        self.results = [each.asset_key for each in events if each.is_successful_output]
        self.materializations = [
            (each.asset_key.to_user_string(), each.materialization.metadata)
            for each in events
            if each.is_step_materialization
        ]
        self.checks = [
            (each.event_specific_data.check_name, each.event_specific_data.passed)
            for each in events
            if each.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        self.outputs = sorted(
            each.step_output_data.output_name for each in events if each.is_successful_output
        )
        self.error = "".join(
            each.step_failure_data.error.to_string() for each in events if each.is_step_failure
        )
        self.logged = [entry.user_message for entry in self.entries if not entry.dagster_event]
        contexts = [launch.context_data for launch in getattr(client, "launches", [])]
        self.launches = [context["extras"][EXTRAS_KEY] for context in contexts]
        self.asset_keys = [context["asset_keys"] for context in contexts]

    def attempts(self):
        """Number of the attempt that made each asset, in order; 1 goes without saying."""
        return [
            (name, metadata["kedro/attempt"].value if "kedro/attempt" in metadata else 1)
            for name, metadata in self.materializations
        ]


@pytest.fixture
def run(project):
    """Run a project's nodes with scripts for its groups, or through another client."""

    def ran(nodes, scripts, *, client=None, config=None, memory=(), datasets=(), **orchestration):
        client = client or ScriptedClient.playing(scripts)
        definitions = build_definitions(
            project(*nodes, memory=memory, datasets=datasets, orchestration=orchestration),
            resource=KedroPipesResource(client=client),
        )
        instance = dg.DagsterInstance.ephemeral()
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"resources": {"kedro": {"config": config or {}}}},
        )
        return Run(result, instance, client)

    return ran


@pytest.fixture
def one_group(node):
    """Two nodes of one process, joined by name only: what the first saves can be loaded."""
    nodes = [node("load", [], ["raw"]), node("fit", ["raw"], ["model"])]
    return nodes, {"groups": {"both": {"nodes": ["load", "fit"]}}}


def test_only_the_rest_runs_again(run, one_group):
    """What the first attempt has saved is loaded, and reported once; the rest has its number."""
    nodes, grouped = one_group
    scripts = [
        plays(*saved("load", "raw"), finished("load"), failed("fit"), code=1),
        plays(*saved("fit", "model"), finished("fit")),
    ]
    done = run(nodes, {"both": scripts}, retries=1, **grouped)

    assert done.success, done.error
    assert [["load", "fit"], ["fit"]] == [each["nodes"] for each in done.launches]
    assert [("raw", 1), ("model", 2)] == done.attempts()
    said = "\n".join(done.logged)
    assert (
        "Group 'both', attempt 1 of 2 failed (node) and is tried again at once: Node 'fit' failed "
        "while running it: OSError: no luck" in done.logged
    )
    assert 1 == said.count("…")  # the traceback
    assert "Group 'both', attempt 2 of 2: runs fit." in said


def test_each_attempt_has_a_run_id_of_its_own(run, one_group):
    """Kedro saves versions under its run id, and refuses to write one twice."""
    nodes, grouped = one_group
    done = run(nodes, {"both": [plays(failed("load"), code=1)]}, retries=2, **grouped)
    ids = [each["kedro_run_id"] for each in done.launches]

    assert not done.success
    assert 3 == len(set(ids))
    assert ids == sorted(ids)


def test_a_retry_of_the_step_meets_no_attempt(project, node, assets_of):
    """Step retries and attempts at groups share no run id, and count on from each other."""
    client = ScriptedClient.playing({"fit": plays(failed("fit"), code=1)})
    again = {"retries": 2}
    assets = assets_of(
        project(node("fit", [], ["model"]), orchestration=again),
        retry_policy=dg.RetryPolicy(max_retries=2),
    )
    definitions = dg.Definitions([assets], resources={"kedro": KedroPipesResource(client=client)})
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(raise_on_error=False)
    ids = [launch.context_data["extras"][EXTRAS_KEY]["kedro_run_id"] for launch in client.launches]

    assert 9 == len(ids) == len(set(ids))
    assert ids == sorted(ids)


def test_in_memory_data_is_made_again(run, node):
    """A finished node runs again for what it keeps in memory; what it saves anew is a fact.

    Whoever reads it downstream is held to the version that was written last.
    """
    nodes = [
        node("load", [], ["raw", "frame"]),
        node("fit", ["frame"], ["model"]),
        node("report", ["raw"], ["page"]),
    ]
    versioned = Dataset(name="raw", type="pickle.PickleDataset", kind="file", versioned=True)
    scripts = {
        "load+1": [
            plays(
                *saved("load", "raw", "v1"),
                *saved("load", "frame"),
                finished("load"),
                failed("fit"),
                code=1,
            ),
            plays(
                *saved("load", "raw", "v2", again=True),
                finished("load"),
                *saved("fit", "model"),
                finished("fit"),
            ),
        ],
        "report": plays(*saved("report", "page"), finished("report")),
    }
    done = run(nodes, scripts, retries=1, memory=["frame"], datasets=[versioned])

    assert done.success, done.error
    assert ["load", "fit"] == done.launches[1]["nodes"]
    assert {"model"} == set(done.launches[1]["dataset_assets"])
    assert {"raw", "frame", "model"} == set(done.asset_keys[1])
    assert [("raw", 1), ("frame", 1), ("raw", 2), ("model", 2), ("page", 1)] == done.attempts()
    assert ["frame", "model", "page", "raw"] == done.outputs
    assert {"raw": "v2"} == done.launches[-1]["load_versions"]


def test_a_retry_of_the_step_loads_what_was_written_last(project, node, assets_of):
    """A fact that an attempt has told counts for the next try of the step, like a result."""
    nodes = [
        node("load", [], ["raw", "frame"]),
        node("fit", ["frame"], ["model"]),
        node("report", ["raw"], ["page"]),
    ]
    made = [*saved("load", "frame"), finished("load")]
    scripts = {
        "load+1": [
            plays(*saved("load", "raw", "v1"), *made, failed("fit"), code=1),
            plays(*saved("load", "raw", "v2", again=True), *made, *CLOSING),
        ],
        "report": [plays(code=3), plays(code=3), plays(*saved("report", "page"))],
    }
    client = ScriptedClient.playing(scripts)
    versioned = Dataset(name="raw", type="pickle.PickleDataset", kind="file", versioned=True)
    shop = project(*nodes, memory=["frame"], datasets=[versioned], orchestration={"retries": 1})
    assets = assets_of(shop, retry_policy=dg.RetryPolicy(max_retries=1))
    definitions = dg.Definitions([assets], resources={"kedro": KedroPipesResource(client=client)})
    job = definitions.resolve_implicit_global_asset_job_def()
    instance = dg.DagsterInstance.ephemeral()
    done = Run(job.execute_in_process(instance=instance, raise_on_error=False), instance, client)

    assert done.success, done.error
    assert ["load+1", "load+1", "report", "report", "report"] == [
        each["group"] for each in done.launches
    ]
    assert {"raw": "v2"} == done.launches[-1]["load_versions"]


def test_staged_data_is_loaded_again(run, node):
    """In-memory data that is staged outlives the worker, and its node need not run again."""
    nodes = [node("load", [], ["frame"]), node("fit", ["frame"], ["model"])]
    scripts = {
        "both": [
            plays(*saved("load", "frame"), finished("load"), failed("fit"), code=1),
            plays(*saved("fit", "model"), finished("fit")),
        ],
        "other": plays(*saved("use", "used"), finished("use")),
        "remove staged data": plays(),
    }
    done = run(
        [*nodes, node("use", ["frame"], ["used"])],
        scripts,
        memory=["frame"],
        memory_datasets="stage",
        retries=1,
        groups={"both": {"nodes": ["load", "fit"]}, "other": {"nodes": ["use"]}},
    )

    assert done.success, done.error
    (_, again) = (each for each in done.launches if each["group"] == "both")
    assert (["fit"], {"frame"}) == (again["nodes"], set(again["staged"]))


def test_versions_of_an_earlier_attempt(run, one_group):
    """What the rest loads is pinned to the version that the first attempt has written."""
    nodes, grouped = one_group
    versioned = Dataset(name="raw", type="pickle.PickleDataset", kind="file", versioned=True)
    scripts = [
        plays(*saved("load", "raw", "v1"), finished("load"), failed("fit"), code=1),
        plays(*saved("fit", "model"), finished("fit")),
    ]
    done = run(nodes, {"both": scripts}, datasets=[versioned], retries=1, **grouped)

    assert done.success, done.error
    assert {"raw": "v1"} == done.launches[1]["load_versions"]


def test_all_finished_and_failed_all_the_same(run, one_group):
    """Where every node has finished and the worker failed, the group was not seen to succeed."""
    nodes, grouped = one_group
    done_twice = [
        *saved("load", "raw", again=True),
        finished("load"),
        *saved("fit", "model", again=True),
        finished("fit"),
    ]
    first = [*saved("load", "raw"), finished("load"), *saved("fit", "model"), finished("fit")]
    done = run(nodes, {"both": [plays(*first, code=3), plays(*done_twice)]}, retries=1, **grouped)

    assert done.success, done.error
    assert ["load", "fit"] == done.launches[1]["nodes"]
    assert [("raw", 1), ("model", 1), ("raw", 2), ("model", 2)] == done.attempts()
    assert ["model", "raw"] == done.outputs


CLOSING = [*saved("fit", "model"), finished("fit")]
FAILURES = {
    "node": plays(failed("fit"), code=1),
    "exited": plays(code=3),
    "out_of_memory": Script(ended=WorkerExit(signal=9, out_of_memory=True)),
    "evicted": Script(ended=WorkerExit(code=1, taken="evicted")),
    "preempted": Script(ended=WorkerExit(signal=15, taken="preempted")),
    "channel": Script(lines=script_lines(OPENED)),
    "timeout": Script(hangs=True, output=["still reading"]),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_kinds(run, node, kind):
    """Only failures of the kinds that are named are tried again."""
    others = [other for other in FAILURES if other != kind]
    nodes, scripts = [node("fit", [], ["model"])], [FAILURES[kind], plays(*CLOSING)]
    config = {"worker": {"timeout_s": 0.2}}

    def success(kinds):
        retries = {"max_retries": 1, "on": kinds}
        return run(nodes, {"fit": list(scripts)}, config=config, retries=retries).success

    assert success([kind])
    assert not success([*others, "not_started"])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, True) for kind in ("node", "exited", "evicted", "preempted", "channel")),
        *((kind, False) for kind in ("out_of_memory", "timeout")),
    ],
)
def test_kinds_by_default(run, node, kind, expected):
    """What would only happen again is not tried again unless somebody says so."""
    scripts = {"fit": [FAILURES[kind], plays(*CLOSING)]}
    done = run([node("fit", [], ["model"])], scripts, timeout_s=0.2, retries=1)

    assert expected == done.success


def test_not_started(run, node):
    """A worker that cannot be started is tried again, and counted."""
    nowhere = KedroSubprocessClient(python="/nowhere/python")
    done = run([node("fit", [], ["model"])], {}, client=nowhere, retries=2)

    assert 2 == sum("failed (not_started)" in text for text in done.logged)
    assert "WorkerNotStartedError" in done.error


@pytest.mark.parametrize(
    "content",
    [{"timeout_s": 0.2}, {"groups": {"fit": {"nodes": ["fit"], "timeout_s": 0.2}}}],
    ids=["file", "group"],
)
def test_timeout(run, node, content):
    """A worker that takes too long is stopped; the error has its limit and its last output."""
    began = time.monotonic()
    done = run([node("fit", [], ["model"])], {"fit": FAILURES["timeout"]}, **content)

    assert not done.success
    assert "WorkerTimedOutError: The worker of group 'fit' took longer than its 0.2 s" in done.error
    assert "still reading" in done.error
    assert time.monotonic() - began < PATIENCE_S


def test_the_timeout_of_a_run_goes_before_all(run, node):
    """`worker.timeout_s` in the Launchpad counts, whatever the group says."""
    done = run(
        [node("fit", [], ["model"])],
        {"fit": FAILURES["timeout"]},
        config={"worker": {"timeout_s": 0.1}},
        groups={"fit": {"nodes": ["fit"], "timeout_s": 600}},
    )

    assert "took longer than its 0.1 s" in done.error


def test_a_reason_goes_before_being_late(run, node):
    """A node that failed is what went wrong, also where its process hangs afterwards."""
    hanging = Script(lines=script_lines(OPENED, failed("fit")), hangs=True)
    done = run([node("fit", [], ["model"])], {"fit": hanging}, timeout_s=0.2)

    assert "NodeFailedError" in done.error


def test_refusals_are_final(run, node):
    """A project that is another one than the manifest says is no matter of luck."""
    exception = {"name": "ProjectDriftError", "message": "node 'fit' is gone", "stack": []}
    refusing = Script(
        lines=script_lines(OPENED, ("closed", {"exception": exception})), ended=WorkerExit(code=1)
    )
    done = run([node("fit", [], ["model"])], {"fit": [refusing, plays(*CLOSING)]}, retries=3)

    assert not done.success
    assert 1 == len(done.launches)
    assert "WorkerRefusedError" in done.error


@pytest.fixture
def checking(project, node, assets_of):
    """Run a node with a blocking check and one that only tells, with retries of its group."""

    def ran(*scripts):
        client = ScriptedClient.playing({"fit": list(scripts)})
        assets = assets_of(
            project(node("fit", [], ["model"]), orchestration={"retries": 1}),
            check_specs=[
                dg.AssetCheckSpec("sound", asset="model", blocking=True),
                dg.AssetCheckSpec("pretty", asset="model"),
            ],
        )
        definitions = dg.Definitions(
            [assets], resources={"kedro": KedroPipesResource(client=client)}
        )
        instance = dg.DagsterInstance.ephemeral()
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        return Run(result, instance, client)

    return ran


def test_a_failed_blocking_check_is_final(checking):
    """Another attempt would pass the check by, whatever else went wrong with the first."""
    failing = [checked("sound", passed=False), checked("pretty", passed=True)]
    done = checking(plays(*failing, failed("fit"), code=1), plays(*CLOSING))
    asleep = checking(plays(*failing, *CLOSING))

    assert [1, 1] == [len(each.launches) for each in (done, asleep)]
    assert not done.success
    assert "blocking check 'sound' of 'model' failed" in asleep.error


def test_checks_are_reported_once(checking):
    """A node that runs again reports its checks again: a result each, and facts after that."""
    first = [checked("sound", passed=True), failed("fit")]
    second = [checked("sound", passed=True), checked("pretty", passed=False, severity="WARN")]
    done = checking(plays(*first, code=1), plays(*second, *CLOSING))

    assert done.success, done.error
    assert [("sound", True), ("sound", True), ("pretty", False)] == done.checks


def test_a_check_that_fails_when_it_is_run_again(checking):
    """It blocks as if it had failed at once."""
    first = [checked("sound", passed=True), failed("fit")]
    second = [checked("sound", passed=False), checked("pretty", passed=True)]
    done = checking(plays(*first, code=1), plays(*second, *CLOSING))

    assert not done.success
    assert ("sound", False) in done.checks


def test_a_check_that_was_not_reported(checking):
    """Its node is not finished without it, and runs again."""
    done = checking(
        plays(checked("sound", passed=True), *CLOSING),
        plays(checked("pretty", passed=True), *saved("fit", "model", again=True), finished("fit")),
    )

    assert done.success, done.error
    assert [("model", 1), ("model", 2)] == done.attempts()


def waits(**fields):
    """Return the pauses between four attempts that all fail."""
    pauses = []

    def attempt(_):
        raise NodeFailedError("no luck")

    with pytest.raises(NodeFailedError):
        run_attempts(
            attempt,
            Retries(max_retries=3, delay_s=0.01, **fields),
            is_final=lambda _: False,
            announce=lambda _number, _error, wait_s: pauses.append(round(wait_s, 6)),
            stop=threading.Event(),
        )
    return pauses


def test_pauses():
    """Always the same, a step more each time, or twice as long; or by chance around that."""
    assert [0.01, 0.01, 0.01] == waits()
    assert [0.01, 0.02, 0.03] == waits(backoff="linear")
    assert [0.01, 0.02, 0.04] == waits(backoff="exponential")
    full, around = waits(jitter="full"), waits(jitter="plus_minus", backoff="linear")
    assert all(0 <= pause <= 0.01 for pause in full)
    assert all(abs(pause - 0.01 * step) <= 0.01 for step, pause in enumerate(around, 1))
    assert len({*full, *around}) > 1


@pytest.mark.parametrize("of_group", [False, True], ids=["file", "group"])
def test_where_retries_are_said(run, node, of_group):
    """Every key counts, said of all groups or of one: how often, after what, and which pauses."""

    def pauses(**said):
        retries = {"delay_s": 0.1, **said}
        one = {"groups": {"fit": {"nodes": ["fit"], "retries": retries}}, "retries": 0}
        content = one if of_group else {"retries": retries}
        done = run([node("fit", [], ["model"])], {"fit": plays(code=3)}, **content)
        return re.findall(r"tried again in ([\d.]+) s", "\n".join(done.logged))

    assert ["0.1"] == pauses()
    assert ["0.2", "0.2"] == pauses(max_retries=2, delay_s=0.2)
    assert ["0.1", "0.2"] == pauses(max_retries=2, backoff="linear")
    assert [] == pauses(on=["node"])
    random.seed(1)  # else the pauses of chance might all be 0.1
    assert {"0.0", "0.1"} == set(pauses(max_retries=6, jitter="full"))


def test_a_pause_ends_when_the_step_is_cancelled():
    """Nobody waits for the next attempt of a step that is given up, and none is started."""
    stop, begun, errors = threading.Event(), [], []
    waiting = threading.Event()

    def attempt(number):
        begun.append(number)
        raise NodeFailedError("no luck")

    def run():
        try:
            run_attempts(
                attempt,
                Retries(max_retries=5, delay_s=600),
                is_final=lambda _: False,
                announce=lambda *_: waiting.set(),
                stop=stop,
            )
        except GroupFailedError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(PATIENCE_S)
    stop.set()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()
    assert [1] == begun
    assert ["no luck"] == [str(error) for error in errors]
