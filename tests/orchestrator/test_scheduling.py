"""Groups run concurrently, each as soon as its inputs exist; here they are plain functions."""

import threading
import time

import pytest
from dagster_kedro.running.scheduling import GroupScheduler
from dagster_kedro.running.tag_limits import TagLimits
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro_manifest.planning.plan import Group, Plan

PATIENCE_S = 10


def plan(**upstream):
    """Return a plan of groups by name, with what each waits for."""
    groups = [Group(name=name, nodes=[name], upstream=list(of)) for name, of in upstream.items()]
    return Plan(groups=groups)


def emit_name(group, emit, stop):  # noqa: ARG001 - the scheduler's signature
    emit(group.name)


def test_runs_everything_in_order():
    """Every group runs once, after those that it waits for."""
    scheduler = GroupScheduler(plan(a="", b="a", c="a", d="bc"), max_concurrent=2)
    order = list(scheduler.outcomes(emit_name))

    assert sorted(order) == ["a", "b", "c", "d"]
    assert (order[0], order[-1]) == ("a", "d")
    assert (scheduler.failures, scheduler.not_started) == ([], [])


def test_empty_plan():
    """Nothing to run is nothing to wait for."""
    assert list(GroupScheduler(plan(), max_concurrent=1).outcomes(emit_name)) == []


def test_independent_groups_meet():
    """Two independent groups run at the same time: each waits for the other."""
    both = threading.Barrier(2)

    def meet(group, emit, stop):  # noqa: ARG001
        both.wait(PATIENCE_S)
        emit(group.name)

    met = list(GroupScheduler(plan(a="", b=""), max_concurrent=2).outcomes(meet))
    assert sorted(met) == ["a", "b"]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_limit(limit):
    """Never more than `max_concurrent` groups run at a time, and as many if there is work."""
    lock = threading.Lock()
    running, most = 0, 0

    def count(group, emit, stop):  # noqa: ARG001
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1

    list(GroupScheduler(plan(**dict.fromkeys("abcdef", "")), limit).outcomes(count))
    assert most == limit


def test_tag_limit():
    """Groups of a limited tag wait for each other; those without it pass them by."""
    lock = threading.Lock()
    running, most, order = set(), 0, []
    tags = {name: {"gpu"} for name in "abc"} | {"d": {"cpu"}, "e": set()}

    def count(group, emit, stop):  # noqa: ARG001
        nonlocal most
        with lock:
            running.add(group.name)
            order.append(group.name)
            most = max(most, len(running & {"a", "b", "c"}))
        time.sleep(0.05)
        with lock:
            running.remove(group.name)

    limits = TagLimits({"gpu": 1}, tags)
    list(GroupScheduler(plan(**dict.fromkeys("abcde", "")), 3, limits).outcomes(count))

    assert 1 == most
    assert sorted("abcde") == sorted(order)
    assert {"a", "d", "e"} == set(order[:3])


def test_group_of_two_limited_tags():
    """It needs room under both limits; where it has to wait, others go on."""
    limits = TagLimits({"gpu": 1, "disk": 2}, {"a": {"gpu"}, "b": {"gpu", "disk"}, "c": {"disk"}})

    assert not limits.admit("b", ["a"])
    assert limits.admit("c", ["a", "c"])
    assert not limits.admit("b", ["c", "c"])
    assert limits.admit("b", ["c"])


def test_live():
    """What a group emits is yielded while it is still running."""
    seen = threading.Event()

    def emit_and_wait(group, emit, stop):  # noqa: ARG001
        emit("early")
        if not seen.wait(PATIENCE_S):
            raise TimeoutError("nobody took the early result")
        emit("late")

    outcomes = GroupScheduler(plan(a=""), 1).outcomes(emit_and_wait)
    assert next(outcomes) == "early"
    seen.set()
    assert list(outcomes) == ["late"]


def test_failure_stops_only_what_depends_on_it():
    """After a failure the groups downstream are not started, the others still run."""

    def fail_at_b(group, emit, stop):  # noqa: ARG001
        if group.name == "b":
            raise ValueError("no luck")
        emit(group.name)

    scheduler = GroupScheduler(plan(a="", b="a", c="b", d="c", e="a", f="e"), max_concurrent=1)
    ran = list(scheduler.outcomes(fail_at_b))

    assert sorted(ran) == ["a", "e", "f"]
    ((failed, error),) = [(each.group.name, each.error) for each in scheduler.failures]
    assert (failed, str(error)) == ("b", "no luck")
    assert [group.name for group in scheduler.not_started] == ["c", "d"]


def test_interrupt_stops_all():
    """An interrupt in the step's thread asks every running group to stop, and starts no other."""
    started = threading.Barrier(3)
    stopped, begun = [], []

    def run_until_stopped(group, emit, stop):
        begun.append(group.name)
        started.wait(PATIENCE_S)
        emit(group.name)
        if stop.wait(PATIENCE_S):
            stopped.append(group.name)

    outcomes = GroupScheduler(plan(a="", b="", c=""), 2).outcomes(run_until_stopped)
    threading.Thread(target=started.wait, daemon=True).start()
    next(outcomes)
    began_at = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt)

    assert sorted(stopped) == sorted(begun) == ["a", "b"]
    assert time.monotonic() - began_at < PATIENCE_S / 2


def test_closing_stops_all():
    """A step that stops iterating stops its groups: nothing runs on unseen."""
    stopped = threading.Event()

    def run_until_stopped(group, emit, stop):  # noqa: ARG001
        emit("early")
        if stop.wait(PATIENCE_S):
            stopped.set()

    outcomes = GroupScheduler(plan(a=""), 1).outcomes(run_until_stopped)
    next(outcomes)
    outcomes.close()

    assert stopped.is_set()


@st.composite
def plans(draw):
    """Draw an acyclic plan: each group waits for some of those before it."""
    size = draw(st.integers(0, 8))
    upstream = [draw(st.sets(st.integers(0, each - 1))) if each else set() for each in range(size)]
    groups = [
        Group(name=str(each), nodes=[str(each)], upstream=[str(other) for other in of])
        for each, of in enumerate(upstream)
    ]
    return Plan(groups=groups)


@settings(deadline=None)
@given(plans(), st.sets(st.integers(0, 7)), st.integers(1, 4))
def test_any_plan(drawn, failing, limit):
    """Any plan ends, with every group either run, failed, or downstream of a failed one."""
    finished = []

    def run(group, emit, stop):  # noqa: ARG001
        if int(group.name) in failing:
            raise ValueError(group.name)
        assert set(group.upstream) <= set(finished)
        finished.append(group.name)

    scheduler = GroupScheduler(drawn, limit)
    list(scheduler.outcomes(run))

    failed = [each.group.name for each in scheduler.failures]
    left = [group.name for group in scheduler.not_started]
    assert sorted(finished + failed + left) == sorted(group.name for group in drawn.groups)
    assert {str(each) for each in failing} >= set(failed)
    for group in scheduler.not_started:
        assert set(group.upstream) & {*failed, *left}


def test_a_slow_consumer_holds_up_no_group():
    """What follows a group starts when that has ended, however much is left to be yielded of it."""
    ended = threading.Event()

    def emit_much(group, emit, stop):  # noqa: ARG001
        for number in range(5):
            emit(f"{group.name}{number}")
        if group.name == "c":
            ended.set()

    outcomes = GroupScheduler(plan(a="", b="a", c="b"), 1).outcomes(emit_much)

    assert "a0" == next(outcomes)
    assert ended.wait(PATIENCE_S)
    rest = ["a1", "a2", "a3", "a4", *(f"{name}{number}" for name in "bc" for number in range(5))]
    assert rest == list(outcomes)
