"""Where the groups of a run are launched: the clients of dagster.yml, and what goes before them."""

import importlib
import json
import os
import sys
import time
from contextlib import ExitStack

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroSubprocessClient, build_definitions
from dagster_kedro.clients.directory import make_client, set_up_client
from dagster_kedro.clients.scripted import Playlist, Script, ScriptedClient, script_lines
from dagster_kedro.configuration.settings import read_worker
from dagster_kedro.errors import WorkerNotStartedError
from dagster_pipes import decode_param
from kedro_manifest.conducting import ORDERS_VARIABLE
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.clients import CustomClient, SubprocessClient

FACTORY = """\
import time
from contextlib import contextmanager

from dagster_kedro import KedroClient
from dagster_kedro.clients.scripted import ScriptedClient

PLAYLISTS = {}
RUNNING = []
MOST = []


def make(place):
    return ScriptedClient(playlist=PLAYLISTS[place])


class Counting(ScriptedClient):
    @contextmanager
    def launch(self, launch):
        with super().launch(launch) as worker:
            RUNNING.append(launch.group)
            MOST.append(len(RUNNING))
            time.sleep(0.05)
            yield worker
            RUNNING.remove(launch.group)


def count(place):
    return Counting(playlist=PLAYLISTS[place])


class Plain(KedroClient):
    def launch(self, launch):
        raise AssertionError("never started")


class Remote(Plain):
    token: str
    hosts: list[str]


def fail(**options):
    raise ValueError(f"no room for {options}")


def nothing():
    return "a text"
"""
OUTPUTS = {"load": "raw", "fit": "model", "score": "scores"}


def closing_lines(asset):
    """What a worker says that has made one asset, and ends well."""
    made = ("report_asset_materialization", {"asset_key": asset})
    return script_lines(("opened", {}), made, ("closed", {}))


SCRIPTS = {node: Script(lines=closing_lines(asset)) for node, asset in OUTPUTS.items()}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A module of the user's with factories of clients."""
    (tmp_path / "places.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "places", raising=False)
    return importlib.import_module("places")


@pytest.fixture
def define(project, node):
    """Define three nodes, the second tagged, with a `dagster.yml`."""

    def made(resource=None, **orchestration):
        nodes = [
            node("load", [], ["raw"]),
            node("fit", ["raw"], ["model"], tags=["gpu"], namespace="ml.north"),
            node("score", ["model"], ["scores"]),
        ]
        pipelines = {"__default__": [each.name for each in nodes], "training": ["fit"]}
        opened = project(*nodes, pipelines=pipelines, orchestration=orchestration)
        return build_definitions(opened, resource=resource)

    return made


@pytest.fixture
def run(define, places):
    """Run them; return each launch with the place where it was launched, by group."""

    def ran(config=None, names=(), **orchestration):
        own = Playlist(SCRIPTS)
        places.PLAYLISTS.update({name: Playlist(SCRIPTS) for name in names})
        resource = KedroPipesResource(client=ScriptedClient(playlist=own))
        job = define(resource, **orchestration).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            run_config={"resources": {"kedro": {"config": config or {}}}}
        )
        assert result.success
        return {
            launch.group: (place, launch)
            for place, playlist in {"own": own, **places.PLAYLISTS}.items()
            for launch in playlist.launches
        }

    return ran


def custom(place, **more):
    return {"type": "custom", "factory": "places:make", "options": {"place": place}} | more


def where(launches):
    return {group: place for group, (place, _) in launches.items()}


def test_clients_by_name(run):
    """Each group runs where its client is: its own, the one that is for it, or `default`."""
    launches = run(
        names=["big", "far", "usual"],
        clients={
            "big": custom("big", **{"for": {"tags": ["gpu"], "nodes": ["score"]}}),
            "far": custom("far"),
            "default": custom("usual"),
        },
        groups={"score": {"nodes": ["score"], "client": "far"}},
    )

    assert {"load": "usual", "fit": "big", "score": "far"} == where(launches)


@pytest.mark.parametrize(
    "chosen",
    [{"nodes": ["fit"]}, {"tags": ["gpu"]}, {"namespaces": ["ml"]}, {"pipelines": ["training"]}],
    ids=str,
)
def test_whom_a_client_is_for(run, chosen):
    """Each list under `for` takes the nodes that it stands for, and no others."""
    launches = run(names=["big"], clients={"big": custom("big", **{"for": chosen})})

    assert {"load": "own", "fit": "big", "score": "own"} == where(launches)


def failure_of(job, **options):
    """Run a job; return why its one step failed."""
    result = job.execute_in_process(raise_on_error=False, **options)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return failure.step_failure_data.error.to_string()


def test_the_timeout_of_a_client(define, places):
    """A worker that takes longer than its client allows is stopped, and the run fails."""
    places.PLAYLISTS["slow"] = Playlist({"load": Script(hangs=True)})
    definitions = define(timeout_s=600, clients={"default": custom("slow", timeout_s=0.2)})

    job = definitions.resolve_implicit_global_asset_job_def()
    assert "took longer than its 0.2 s" in failure_of(job)


LEAVING = """\
#!{python}
import json, os, sys
from pathlib import Path
Path("seen.json").write_text(json.dumps(dict(os.environ)))
sys.exit("the licence server is gone")
"""
INTERPRETER = """\
#!{python}
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("seen.json", "w") as file:
    json.dump(dict(os.environ), file)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_process_that_dagster_yml_describes(define, tmp_path, monkeypatch):
    """Interpreter, variables, the way of messages and the grace of a real process."""
    program = tmp_path / "bin/python"
    program.parent.mkdir()
    program.write_text(INTERPRETER.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    described = {
        "type": "subprocess",
        "python": "bin/python",
        "env": {"THREADS": "4"},
        "pass_env": ["AWS_*"],
        "grace_s": 0.1,
        "messages": "stdout",
        "timeout_s": 2,
    }
    job = define(clients={"default": described}).resolve_implicit_global_asset_job_def()
    began = time.monotonic()
    error = failure_of(job)
    took_s = time.monotonic() - began
    seen = json.loads((tmp_path / "seen.json").read_text())

    assert "took longer than its 2 s" in error
    assert took_s < 2 + KedroSubprocessClient().grace_s
    assert ("4", "eu-west-1", "0.1") == (
        seen["THREADS"],
        seen["AWS_REGION"],
        seen["KEDRO_PIPES_GRACE_S"],
    )
    assert "DAGSTER_PG_PASSWORD" not in seen
    assert "stdout" == decode_param(seen["DAGSTER_PIPES_MESSAGES"])["stdio"]


@pytest.mark.parametrize(("start", "conducts"), [("warm", True), ("auto", True), ("cold", False)])
def test_how_workers_are_started(define, tmp_path, start, conducts):
    """`start` decides whether one process is to hold the run's session and fork the workers."""
    program = tmp_path / "bin/python"
    program.parent.mkdir()
    program.write_text(LEAVING.format(python=sys.executable))
    program.chmod(0o755)
    described = {"type": "subprocess", "python": "bin/python", "start": start}
    job = define(clients={"default": described}).resolve_implicit_global_asset_job_def()
    error = failure_of(job)
    seen = json.loads((tmp_path / "seen.json").read_text())

    assert conducts == (ORDERS_VARIABLE in seen)
    assert conducts == ("Nothing is run: the run's session failed before its first node" in error)
    assert "the licence server is gone" in error


def test_a_client_that_launches_in_its_own_way(define):
    """A subclass with a `launch` of its own starts every worker through it, and the log says so."""

    class Own(KedroSubprocessClient):
        def launch(self, launch):
            raise WorkerNotStartedError(f"no room for {launch.group}")

    resource = KedroPipesResource(client=Own(start="warm"))
    job = define(resource).resolve_implicit_global_asset_job_def()
    instance = dg.DagsterInstance.ephemeral()
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    logged = [entry.user_message for entry in instance.all_logs(result.run_id)]

    assert "Workers are started cold: Own launches them in a way of its own." in logged
    assert not result.success


def test_the_resource_runs_the_rest(run):
    """Without a `default` the resource's own client runs what no other one does."""
    launches = run(names=["big"], clients={"big": custom("big", **{"for": {"nodes": ["fit"]}})})

    assert {"load": "own", "fit": "big", "score": "own"} == where(launches)


def test_a_run_chooses(run):
    """`client` in the Launchpad goes before everything that the file says."""
    launches = run(
        {"client": "far"},
        names=["big", "far", "usual"],
        clients={
            "big": custom("big", **{"for": {"nodes": ["fit"]}}),
            "far": custom("far"),
            "default": custom("usual"),
        },
    )

    assert {"far"} == set(where(launches).values())


def test_variables_of_the_group_and_of_the_run(run):
    """A run's variables go before the group's; each launch gets its own."""
    launches = run(
        {"worker": {"env": {"A": "run"}, "python": "/opt/python"}},
        groups={"fit": {"nodes": ["fit"], "env": {"A": "group", "B": "group"}}},
    )
    overrides = {group: launch.overrides for group, (_, launch) in launches.items()}

    assert {"A": "run", "B": "group"} == overrides["fit"].env
    assert {"A": "run"} == overrides["load"].env
    assert {"/opt/python"} == {each.python for each in overrides.values()}


def test_containers_of_a_group(run):
    """A group has an image and limits of its own; a run goes before it, key by key."""
    own = {"cpus": 2.0, "memory": "8g", "shm_size": "1g", "gpus": "all"}
    groups = {"fit": {"nodes": ["fit"], "image": "gpu:1", "resources": own}}
    launches = run(groups=groups)
    of_run = run({"worker": {"image": "run:1", "resources": {"memory": "16g"}}}, groups=groups)

    assert ("gpu:1", own) == of_worker(launches["fit"])
    assert (None, {}) == of_worker(launches["load"])
    assert ("run:1", {**own, "memory": "16g"}) == of_worker(of_run["fit"])


def of_worker(launched):
    overrides = launched[1].overrides
    return overrides.image, overrides.resources


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"factory": "nowhere:make"}, r"clients\.it\.factory: module 'nowhere' cannot be"),
        ({"factory": "places:nobody"}, "'places' has no 'nobody'"),
        ({"factory": "places:fail", "options": {"a": 1}}, "failed with these options .*no room"),
        ({"factory": "places:nothing"}, "returned str, and no client"),
    ],
    ids=lambda each: each["factory"] if isinstance(each, dict) else "",
)
def test_factories_that_give_no_client(define, places, entry, said):  # noqa: ARG001
    """A factory is tried when definitions load, and its failure names the entry."""
    with pytest.raises(OrchestrationError, match=said):
        define(clients={"it": {"type": "custom", **entry}})


def test_secrets_of_a_custom_client(define, places, monkeypatch):
    """A manifest holds no secret: the client gets it from a variable, and not before a step."""
    options = {"token": {"env": "REMOTE_TOKEN"}, "hosts": ["a"]}
    define(clients={"far": {"type": "custom", "factory": "places:Remote", "options": options}})
    monkeypatch.setenv("REMOTE_TOKEN", "from the environment")
    entry = CustomClient(factory="places:Remote", options=options)
    with ExitStack() as stack:
        client = set_up_client(stack, "far", entry)

        assert isinstance(client, places.Remote)
        assert ("from the environment", ["a"]) == (client.token, client.hosts)


@pytest.mark.parametrize("limits", [{}, {"gpu": 1}])
def test_limited_tags(project, node, places, limits):
    """Of the groups that hold a node of a limited tag, no more than that run at a time."""
    places.PLAYLISTS["one"] = Playlist(
        {name: Script(lines=closing_lines(f"of_{name}")) for name in "abc"}
    )
    nodes = [node(name, [], [f"of_{name}"], tags=["gpu"]) for name in "abc"]
    shop = project(
        *nodes,
        orchestration={
            "clients": {"default": custom("one", factory="places:count")},
            "concurrency": {"tags": limits, "max_concurrent": 3},
        },
    )
    job = build_definitions(shop).resolve_implicit_global_asset_job_def()

    assert job.execute_in_process().success
    assert (1 if limits else 3) == max(places.MOST)


def test_an_entry_for_processes():
    """Every key of `type: subprocess` reaches the client."""
    options = {
        "python": "/opt/python",
        "env": {"A": "b"},
        "pass_env": ["AWS_*"],
        "grace_s": 1.5,
        "messages": "stdout",
        "start": "auto",
    }
    client = make_client("near", SubprocessClient(**options))

    assert isinstance(client, KedroSubprocessClient)
    assert options == {name: getattr(client, name) for name in options}


def test_two_clients_for_one_group(define):
    """Definitions do not load where nobody can say which client runs a group."""
    by_tag = {"type": "subprocess", "for": {"tags": ["gpu"]}}
    by_name = {"type": "subprocess", "for": {"nodes": ["fit"]}}

    with pytest.raises(OrchestrationError, match="clients 'a' and 'b' claim nodes of group 'fit'"):
        define(clients={"a": by_tag, "b": by_name})


def test_a_client_that_takes_no_variables(define, places):  # noqa: ARG001
    """What a client has no use for is refused when definitions load, not ignored."""
    with pytest.raises(OrchestrationError, match=r"group 'fit' with `env`.* a Plain, has no use"):
        define(
            clients={"plain": {"type": "custom", "factory": "places:Plain"}},
            groups={"fit": {"nodes": ["fit"], "client": "plain", "env": {"A": "b"}}},
        )


def test_a_process_has_no_image(define):
    """An image in the Launchpad is refused by a client without containers, before any start."""
    job = define().resolve_implicit_global_asset_job_def()
    config = {"resources": {"kedro": {"config": {"worker": {"image": "shop:2"}}}}}

    said = "`image`: its client, a KedroSubprocessClient, has no use"
    assert said in failure_of(job, run_config=config)


def test_wrong_settings_of_workers():
    """Also where no Launchpad has looked at them, each setting is known and of its type."""
    with pytest.raises(OrchestrationError, match=r"unknown field `pyhton`.*`timeout_s`"):
        read_worker({"pyhton": "x"})
    with pytest.raises(OrchestrationError, match=r"timeout_s"):
        read_worker({"timeout_s": 0})


def test_a_client_that_is_not_there(define):
    """Also where no Launchpad has looked at it, the client of a run has to be there."""
    resource = KedroPipesResource(client=KedroSubprocessClient(), client_name="bigg")
    job = define(resource, clients={"big": {"type": "subprocess"}})
    error = failure_of(job.resolve_implicit_global_asset_job_def())

    assert "Cannot run with client 'bigg'" in error
    assert "Choose from ['big']" in error


def test_a_program_runs_through_the_default_client(define, places):
    """What is no Kedro node runs where dagster.yml would run any, with the run's settings."""
    places.PLAYLISTS["usual"] = Playlist({"other": Script(lines=closing_lines("other"))})

    @dg.asset(name="other")
    def other(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        yield from kedro.run_program(context, ["train"])

    ours = define(clients={"default": custom("usual")})
    both = dg.Definitions.merge(ours, dg.Definitions(assets=[other]))
    job = both.resolve_implicit_global_asset_job_def()
    worker = {"env": {"A": "b"}, "python": "/opt/python"}
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey("other")],
        run_config={"resources": {"kedro": {"config": {"worker": worker}}}},
    )
    (launch,) = places.PLAYLISTS["usual"].launches

    assert result.success
    assert (["train"], {"A": "b"}, None) == (
        launch.command,
        launch.overrides.env,
        launch.overrides.python,
    )


@pytest.mark.parametrize(
    ("of_resource", "of_run", "of_file", "expected"),
    [
        (None, {}, {}, os.cpu_count()),
        (None, {}, {"max_concurrent": 7}, 7),
        (5, {}, {"max_concurrent": 7}, 5),
        (5, {"max_concurrent": 3}, {"max_concurrent": 7}, 3),
        (0, {}, {"max_concurrent": 7}, os.cpu_count()),
    ],
)
def test_max_concurrent(define, of_resource, of_run, of_file, expected):
    """The run's number goes before the resource's, that before the one in dagster.yml."""
    client = ScriptedClient.playing(SCRIPTS)
    resource = KedroPipesResource(client=client, max_concurrent=of_resource)
    instance = dg.DagsterInstance.ephemeral()
    job = define(resource, concurrency=of_file).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance, run_config={"resources": {"kedro": {"config": of_run}}}
    )
    logged = [entry.user_message for entry in instance.all_logs(result.run_id)]

    assert any(f"at most {expected} at a time" in text for text in logged)


def test_pool(define):
    """`concurrency.pool` is the pool of the steps, so that Dagster limits them."""
    limited, free = define(concurrency={"pool": "gpus"}), define()

    assert ["gpus", None] == [
        definitions.resolve_assets_def(dg.AssetKey("raw")).op.pool
        for definitions in (limited, free)
    ]
