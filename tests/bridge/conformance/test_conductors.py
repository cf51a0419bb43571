"""A conductor that dies, with workers at work and without: nothing is left, and another one forks."""

import os
import signal
import threading
import time

import pytest


@pytest.fixture
def warm_bridge(make_bridge, warm_client):
    """A bridge whose workers are forked; whatever it started is gone after."""
    made = make_bridge(warm_client)
    yield made
    assert made.leftovers() == []


def test_killed_by_its_worker(warm_bridge):
    """Its worker is lost by name, deaf as it is, and the next group gets another conductor."""
    run = warm_bridge.run("orphaned", max_concurrent=1)
    started = [text for _, text in run.logged if text.startswith("[conductor] Worker started")]

    assert not run.success
    assert ["b_later"] == run.materialized
    assert (
        "WorkerLostError: The worker of group 'a_orphan' was ended with its conductor" in run.error
    )
    assert "`start: cold`" in run.error
    (death,) = [text for _, text in run.logged if text.startswith("The run's session was lost")]
    assert "The worker of the conductor was killed by signal 9 (SIGKILL)" in death
    assert 2 == len(set(started)) == len(started)


@pytest.mark.parametrize("behaviour", ["hang", "hang_deaf"])
def test_killed(warm_bridge, behaviour):
    """A conductor that is killed behind everybody's back takes its workers with it."""
    hanging = warm_bridge.project_dir / "data/hanging"
    killed_s = []

    def kill():
        deadline = time.monotonic() + 60
        while not hanging.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        killed_s.append(time.monotonic())
        os.kill(warm_bridge.adapter.conductor(warm_bridge.token), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run = warm_bridge.run(behaviour=behaviour)
    thread.join()

    assert not run.success
    assert "WorkerLostError" in run.error
    assert 1 == sum(text.startswith("The run's session was lost") for _, text in run.logged)
    assert time.monotonic() - killed_s[0] < 10
    assert warm_bridge.leftovers() == []


def test_hook_that_fails(warm_bridge):
    """A session that fails before its first node runs none, and says why."""
    settings = warm_bridge.project_dir / "src/misbehaving/settings.py"
    settings.write_text(FAILING)
    run = warm_bridge.run("chain", behaviour="fine")

    assert not run.success
    assert [] == run.materialized
    assert "ConductorFailedError: Nothing is run: the run's session failed" in run.error
    assert "LookupError: no licence" in run.error


FAILING = """\
from kedro.framework.hooks import hook_impl


class Hooks:
    @hook_impl
    def before_pipeline_run(self):
        raise LookupError("no licence")


HOOKS = (Hooks(),)
"""
