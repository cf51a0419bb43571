"""Which client runs a planned group, and what holds for its worker."""

import pytest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.orchestration.retrying import Retries
from kedro_manifest.orchestration.root import read_orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import plan_groups
from kedro_manifest.settings.workers import WorkerRules, WorkerSettings, most_attempts

NODES = [
    Node(name="load", function="m:f", outputs=["raw"]),
    Node(name="fit", function="m:f", inputs=["raw"], outputs=["model"], tags=["gpu"]),
    Node(name="eu.score", function="m:f", inputs=["model"], outputs=["score"], namespace="eu"),
    Node(name="report", function="m:f", inputs=["score"]),
]
PROCESS = {"type": "subprocess"}
MANIFEST = Manifest(
    project=Project(name="Shop", package_name="shop", kedro_version="1.7.0", python_version="3.11"),
    nodes=NODES,
    datasets=[Dataset(name=name, type="x", kind="file") for name in ("raw", "model", "score")],
    pipelines=[Pipeline(name="reporting", nodes=["report"])],
)
GRAPH = PipelineGraph(MANIFEST)


def settings(client_of_run=None, **content) -> dict[str, WorkerSettings]:
    """Return the settings of each group that comes of a `dagster.yml`."""
    orchestration = read_orchestration(content)
    rules = WorkerRules(orchestration, GRAPH, client_of_run)
    plan = plan_groups(GRAPH, GRAPH.nodes, orchestration.group_policy())
    return {group.name: rules.of_group(group) for group in plan.groups}


def clients(**options):
    return {name: each.client for name, each in settings(**options).items()}


def test_clients_are_chosen_by_what_a_node_is():
    """`for` takes names, tags, namespaces and pipelines; `default` takes the rest."""
    configured = {
        "big": {**PROCESS, "for": {"tags": ["gpu"]}},
        "eu": {**PROCESS, "for": {"namespaces": ["eu"]}},
        "slim": {**PROCESS, "for": {"pipelines": ["reporting"]}},
        "default": PROCESS,
    }

    assert {"load": "default", "fit": "big", "eu.score": "eu", "report": "slim"} == clients(
        clients=configured
    )
    configured["near"] = {**PROCESS, "for": {"nodes": ["load"]}}
    assert "near" == clients(clients=configured)["load"]


def test_without_a_default_the_resource_decides():
    """A group that nothing is said of is left to the resource's own client."""
    chosen = clients(clients={"big": {**PROCESS, "for": {"tags": ["gpu"]}}})

    assert ("big", None) == (chosen["fit"], chosen["load"])


def test_a_group_goes_before_for_and_a_run_before_all():
    """The strongest first: the run, the group, `for`, `default`."""
    content = {
        "clients": {
            "big": {**PROCESS, "for": {"tags": ["gpu"]}},
            "other": PROCESS,
            "default": PROCESS,
        },
        "groups": {"training": {"nodes": ["fit"], "client": "other"}},
    }

    assert {"training": "other", "load": "default"}.items() <= clients(**content).items()
    assert {"big"} == set(clients(client_of_run="big", **content).values())


def test_two_clients_of_one_group_are_refused():
    """A group is one process: where two clients claim it, both are named."""
    content = {
        "clients": {
            "big": {**PROCESS, "for": {"tags": ["gpu"]}},
            "eu": {**PROCESS, "for": {"namespaces": ["eu"]}},
        },
        "groups": {"both": {"nodes": ["fit", "eu.score"]}},
    }

    with pytest.raises(OrchestrationError, match="clients 'big' and 'eu' claim nodes of group 'bo"):
        settings(**content)
    content["groups"]["both"]["client"] = "eu"
    assert "eu" == clients(**content)["both"]
    assert "big" == clients(client_of_run="big", **content)["both"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"groups": {"a": {"nodes": ["fit"], "client": "bigg"}}},
            r"groups\.a\.client: there is no client 'bigg'\. Did you mean 'big'\?",
        ),
        ({"client_of_run": "bigg"}, r"Cannot run with client 'bigg': .* Choose from \['big'\]"),
    ],
    ids=["group", "run"],
)
def test_unknown_clients_are_refused(content, said):
    """A name that is not there is told with where it stands, and what there is."""
    with pytest.raises(OrchestrationError, match=said):
        settings(clients={"big": PROCESS}, **content)


def test_unknown_nodes_are_refused():
    """`for` cannot name what is not there."""
    with pytest.raises(OrchestrationError, match=r"clients\.big\.for\.tags: there is no tag 'cpu'"):
        settings(clients={"big": {**PROCESS, "for": {"tags": ["cpu"]}}})


def test_what_is_said_of_a_group_goes_before_what_is_said_of_all():
    """Timeouts: group, client, file. Retries: group, file; a number alone is how many."""
    found = settings(
        timeout_s=100,
        retries=2,
        clients={"big": {**PROCESS, "timeout_s": 50, "for": {"nodes": ["fit", "load"]}}},
        groups={
            "quick": {"nodes": ["fit"], "timeout_s": 5, "env": {"A": "b"}},
            "stubborn": {"nodes": ["report"], "retries": {"max_retries": 5, "on": ["timeout"]}},
            "once": {"nodes": ["eu.score"], "retries": 0},
        },
    )

    assert {"quick": 5, "load": 50, "stubborn": 100, "once": 100} == {
        name: each.timeout_s for name, each in found.items()
    }
    assert ({"A": "b"}, {}) == (found["quick"].env, found["load"].env)
    assert (2, 5, 0) == tuple(
        found[name].retries.max_retries for name in ("quick", "stubborn", "once")
    )
    assert Retries(max_retries=5, on=("timeout",)) == found["stubborn"].retries


def test_most_attempts():
    """The most that any group may take, the first one included."""
    assert 1 == most_attempts(read_orchestration({}))
    assert 5 == most_attempts(
        read_orchestration({"retries": 1, "groups": {"a": {"nodes": ["x"], "retries": 4}}})
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"clients": {"a": {"type": "custom", "factory": "no colon"}}}, "clients.a.factory"),
        ({"clients": {"a": {**PROCESS, "grace_s": -1}}}, "clients.a.grace_s"),
        ({"clients": {"a": {"type": "ssh", "hosts": []}}}, "clients.a.hosts"),
        ({"clients": {"a": {"type": "ssh", "hosts": ["-oBatchMode=no"]}}}, "clients.a.hosts"),
        (
            {"clients": {"a": {"type": "ssh", "hosts": ["b"], "keep_alive_s": 0}}},
            "clients.a.keep_alive_s",
        ),
        ({"timeout_s": 0}, "timeout_s"),
        ({"groups": {"g": {"nodes": ["a"], "timeout_s": -5}}}, "groups.g.timeout_s"),
        ({"retries": -1}, "retries"),
        ({"retries": {"delay_s": -1}}, "retries.delay_s"),
        ({"concurrency": {"tags": {"gpu": 0}}}, "concurrency.tags.gpu"),
        ({"concurrency": {"max_concurrent": -1}}, "concurrency.max_concurrent"),
    ],
    ids=str,
)
def test_values_that_make_no_sense(content, place):
    """A number out of range is refused where it stands."""
    with pytest.raises(OrchestrationError) as raised:
        read_orchestration(content)

    assert place == raised.value.place
