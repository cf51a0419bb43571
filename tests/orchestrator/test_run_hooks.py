"""Hooks that tell of a run as a whole: when, how often and with what their workers are started."""

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, build_definitions
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from kedro_manifest.events import NodeFailed, encode_event
from kedro_manifest.invocation import EXTRAS_KEY, RunBegins, RunEnds, RunError, decode_invocation
from kedro_manifest.model import HookImplementation
from kedro_manifest.orchestration.hooks import RUN_SCOPED

BEFORE, AFTER, ON_ERROR = RUN_SCOPED
OPENED, CLOSED = ("opened", {}), ("closed", {})
DONE = Script(lines=script_lines(OPENED, CLOSED))
FAILURE = {"name": "AttributeError", "message": "AttributeError: no _began", "stack": []}
BROKEN = Script(
    lines=script_lines(OPENED, ("closed", {"exception": FAILURE})), ended=WorkerExit(code=1)
)
KILLED = Script(lines=script_lines(OPENED), ended=WorkerExit(signal=9))
TIMER = HookImplementation(name="shop.hooks.Timer", hooks=list(RUN_SCOPED))


def saves(*datasets):
    """A worker that ends well."""
    saved = [
        ("report_asset_materialization", {"asset_key": name, "metadata": {}, "data_version": None})
        for name in datasets
    ]
    return Script(lines=script_lines(OPENED, *saved, CLOSED))


def fails(node):
    """A worker whose node fails."""
    failed = NodeFailed(
        node=node,
        phase="compute",
        error_type="StockError",
        error_module="shop.errors",
        message="nothing left",
        traceback="Traceback …",
    )
    message = ("report_custom_message", {"payload": encode_event(failed)})
    return Script(lines=script_lines(OPENED, message, CLOSED), ended=WorkerExit(code=1))


class Done:
    """What a user sees of a run, and what was launched for it."""

    def __init__(self, result, client, instance):
        self.success = result.success
        entries = instance.all_logs(result.run_id)
        events = [entry.dagster_event for entry in entries if entry.dagster_event]
        self.error = "".join(
            event.step_failure_data.error.to_string() for event in events if event.is_step_failure
        )
        self.materialized = [
            event.asset_key.to_user_string() for event in events if event.is_step_materialization
        ]
        self.logged = [entry.user_message for entry in entries if not entry.dagster_event]
        self.told = [
            decode_invocation({EXTRAS_KEY: launch.context_data["extras"][EXTRAS_KEY]})
            for launch in client.launches
        ]
        self.launched = [each.group for each in self.told]


@pytest.fixture
def run(project, node):
    """Run nodes `a` and `b`, of which `b` reads what `a` writes; return what was launched."""

    def ran(scripts=None, *, hooks=(TIMER,), nodes=None, step_per=None, **orchestration):
        given = {
            **dict.fromkeys(RUN_SCOPED, DONE),
            "a": saves("x"),
            "b": saves("y"),
            "a_b": saves("x", "y"),
        }
        client = ScriptedClient.playing({**given, **(scripts or {})})
        definitions = build_definitions(
            project(
                *(nodes or [node("a", [], ["x"]), node("b", ["x"], ["y"])]),
                hooks=hooks,
                orchestration=orchestration,
            ),
            resource=KedroPipesResource(client=client),
            **({"step_per": step_per} if step_per else {}),
        )
        job = definitions.resolve_job_def("__default__")
        instance = dg.DagsterInstance.ephemeral()
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        return Done(result, client, instance)

    return ran


def test_once_in_workers_of_their_own(run):
    """One worker begins the run, one ends it, with all of its nodes; the others leave it to them."""
    done = run()
    began, a, b, ended = done.told

    assert done.success, done.error
    assert [BEFORE, "a", "b", AFTER] == done.launched
    assert (RunBegins(), RunEnds()) == (began.run_hooks, ended.run_hooks)
    assert ["a", "b"] == began.nodes == ended.nodes
    assert [["shop.hooks.Timer"]] * 4 == [each.hooks_once for each in done.told]
    assert (None, None) == (a.run_hooks, b.run_hooks)
    assert 1 == len({each.kedro_run_id for each in done.told})


@pytest.mark.parametrize(
    ("implemented", "run_hooks", "expected"),
    [
        ([BEFORE, "before_node_run"], "once", [BEFORE, "a", "b"]),
        ([AFTER], "once", ["a", "b", AFTER]),
        ([ON_ERROR, "after_node_run"], "once", ["a", "b"]),
        (["after_node_run"], "once", ["a", "b"]),
        (RUN_SCOPED, "per_process", ["a", "b"]),
    ],
)
def test_no_worker_without_need(run, implemented, run_hooks, expected):
    """No process is started for a hook that nobody implements, or that every worker fires."""
    hooks = [HookImplementation(name="shop.hooks.Timer", hooks=list(implemented))]

    assert expected == run(hooks=hooks, run_hooks=run_hooks).launched


def test_a_node_that_fails(run):
    """`on_pipeline_error` is fired with the node's own error, and `after_pipeline_run` is not."""
    done = run({"a": fails("a")})

    assert [BEFORE, "a", ON_ERROR] == done.launched
    error = RunError(type="shop.errors.StockError", message="nothing left", traceback="Traceback …")
    assert RunEnds(error=error) == done.told[-1].run_hooks
    assert "Node 'a' failed" in done.error


def test_a_run_that_is_one_worker(run):
    """Its worker fires everything itself, as `kedro run` does: state and results are all there."""
    together = {"together": {"nodes": ["a", "b"]}}
    done = run({"together": saves("x", "y")}, groups=together)
    failed = run({"together": fails("a")}, groups=together)

    assert (["together"], ["together"]) == (done.launched, failed.launched)
    assert [] == done.told[0].hooks_once


def test_the_one_worker_is_killed(run):
    """Its hooks cannot tell that any more, so that another worker does."""
    done = run({"together": KILLED}, groups={"together": {"nodes": ["a", "b"]}})

    assert ["together", ON_ERROR] == done.launched
    assert ["shop.hooks.Timer"] == done.told[-1].hooks_once
    assert "WorkerExitedError" == done.told[-1].run_hooks.error.type


def test_one_worker_that_may_be_tried_again(run):
    """Each attempt would begin the run anew, so that other workers begin and end it."""
    groups = {"together": {"nodes": ["a", "b"], "retries": 1}}
    done = run({"together": [fails("a"), saves("x", "y")]}, groups=groups)

    assert done.success, done.error
    assert [BEFORE, "together", "together", AFTER] == done.launched


def test_before_pipeline_run_fails(run):
    """No node runs, as under Kedro, and the error says which hook it was and what to do."""
    done = run({BEFORE: BROKEN}, retries=2)

    assert [BEFORE] == done.launched
    assert "RunHookFailedError: Cannot fire hook `before_pipeline_run`" in done.error
    assert "AttributeError: no _began" in done.error
    assert "`run_hooks: {NAME: per_process}`" in done.error


def test_after_pipeline_run_fails(run):
    """The step fails, what was made stays, and state that is not there is explained."""
    done = run({AFTER: BROKEN})

    assert not done.success
    assert ["x", "y"] == done.materialized
    assert "Cannot fire hook `after_pipeline_run`" in done.error
    assert "What `before_pipeline_run` keeps in its object is not there" in done.error


def test_on_pipeline_error_fails(run):
    """The run's own failure is the step's error; the hook's is in the log."""
    done = run({"b": fails("b"), ON_ERROR: BROKEN})

    assert "Node 'b' failed" in done.error
    assert "RunHookFailedError" not in done.error
    assert any("Cannot fire hook `on_pipeline_error`" in line for line in done.logged)


def test_a_run_of_several_steps(run):
    """Steps agree on which of them begins and ends the run."""
    done = run(step_per="group")

    assert done.success, done.error
    assert [BEFORE, "a", "b", AFTER] == done.launched
    assert ["a", "b"] == done.told[0].nodes == done.told[-1].nodes


def test_several_steps_that_fail(run, node):
    """Only the first one that fails has `on_pipeline_error` fired."""
    apart = [node("a", [], ["x"]), node("b", [], ["y"])]
    done = run({"a": fails("a"), "b": fails("b")}, nodes=apart, step_per="group")

    assert not done.success
    assert [BEFORE, "a", ON_ERROR, "b"] == done.launched


def test_other_steps_of_a_run_that_has_not_begun(run, node):
    """Where one step could not begin the run, the others run no node either."""
    apart = [node("a", [], ["x"]), node("b", [], ["y"])]
    done = run({BEFORE: BROKEN}, nodes=apart, step_per="group")

    assert [BEFORE] == done.launched
    assert "was to be fired by step 'shop_a'" in done.error


def test_a_step_that_is_tried_again(run):
    """A try that another one follows ends nothing: the run begins once, and ends once."""
    retried = {"jobs": {"__default__": {"retries": {"step": 1}}}, "pipeline_jobs": False}
    recovered = run({"b": [fails("b"), saves("y")]}, **retried)
    failed = run({"b": fails("b")}, **retried)

    assert recovered.success, recovered.error
    assert [BEFORE, "a", "b", "b", AFTER] == recovered.launched
    assert recovered.told[0].kedro_run_id == recovered.told[-1].kedro_run_id
    assert [BEFORE, "a", "b", "b", ON_ERROR] == failed.launched
