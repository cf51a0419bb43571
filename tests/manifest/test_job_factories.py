from __future__ import annotations

import pytest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Manifest, Node, Pipeline, Project
from kedro_manifest.orchestration.factories import expand_jobs
from kedro_manifest.orchestration.job_checks import nodes_of_job
from kedro_manifest.orchestration.root import read_orchestration
from kedro_manifest.planning.graph import PipelineGraph

PROJECT = Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11")
NODES = {
    "prepare": (None, []),
    "sofas.tree.fit": ("sofas.tree", ["training"]),
    "sofas.tree.score": ("sofas.tree", ["scoring"]),
    "sofas.line.fit": ("sofas.line", ["training"]),
    "lamps.tree.fit": ("lamps.tree", ["training"]),
    "desks.count": ("desks", []),
}
PIPELINES = {
    "__default__": list(NODES),
    "training": [name for name in NODES if name.endswith("fit")],
    "sofas_daily": [name for name in NODES if name.startswith("sofas")],
    "lamps_daily": ["lamps.tree.fit"],
}


def graph():
    nodes = [
        Node(name=name, function="m:f", outputs=[f"{name}_out"], namespace=namespace, tags=tags)
        for name, (namespace, tags) in NODES.items()
    ]
    pipelines = [Pipeline(name=name, nodes=sorted(of)) for name, of in PIPELINES.items()]
    return PipelineGraph(Manifest(project=PROJECT, nodes=nodes, pipelines=pipelines))


def expand(jobs):
    """Return the nodes of each job that comes of the jobs in a file."""
    named = expand_jobs(graph(), read_orchestration({"jobs": jobs}).jobs)
    return {each.name: sorted(nodes_of_job(graph(), each)) for each in named}


@pytest.mark.parametrize(
    ("key", "pipeline", "expected"),
    [
        (
            "{product}__all",
            {"node_namespaces": ["{product}"]},
            {
                "desks__all": ["desks.count"],
                "lamps__all": ["lamps.tree.fit"],
                "sofas__all": ["sofas.line.fit", "sofas.tree.fit", "sofas.tree.score"],
            },
        ),
        (
            "{product}_{model}__training",
            {"pipeline_name": "training", "node_namespaces": ["{product}.{model}"]},
            {
                "lamps_tree__training": ["lamps.tree.fit"],
                "sofas_line__training": ["sofas.line.fit"],
                "sofas_tree__training": ["sofas.tree.fit"],
            },
        ),
        (
            "{product}__trees",
            {"node_namespaces": ["{product}.tree"]},
            {
                "lamps__trees": ["lamps.tree.fit"],
                "sofas__trees": ["sofas.tree.fit", "sofas.tree.score"],
            },
        ),
        (
            "{product}_{step}",
            {"node_namespaces": ["{product}"], "tags": ["{step}"]},
            {
                "lamps_training": ["lamps.tree.fit"],
                "sofas_scoring": ["sofas.tree.score"],
                "sofas_training": ["sofas.line.fit", "sofas.tree.fit"],
            },
        ),
        (
            "daily_{product}",
            {"pipeline_name": "{product}_daily"},
            {
                "daily_lamps": ["lamps.tree.fit"],
                "daily_sofas": ["sofas.line.fit", "sofas.tree.fit", "sofas.tree.score"],
            },
        ),
        (
            "{product}_alone",
            {"pipeline_name": "{product}_daily", "node_namespaces": ["{product}.line"]},
            {"sofas_alone": ["sofas.line.fit"]},
        ),
        (
            "{product}_and_desks",
            {"node_namespaces": ["{product}.line", "desks"]},
            {"sofas_and_desks": ["desks.count", "sofas.line.fit"]},
        ),
        ("only_{which}", "{which}_daily", {"only_lamps": None, "only_sofas": None}),
    ],
    ids=str,
)
def test_placeholders_take_what_the_filters_find(key, pipeline, expected):
    """Each value for which every filter finds something is a job; its nodes are those it names."""
    made = expand({key: {"pipeline": pipeline}})

    assert expected.keys() == made.keys()
    assert all(nodes is None or nodes == made[name] for name, nodes in expected.items())


def test_values_are_filled_in_everywhere():
    """Names, descriptions, tags, parameters: whatever is text, keys included."""
    factory = {
        "pipeline": {"node_namespaces": ["{product}.line"]},
        "description": "Lines of {product}, {not_ours}, {key}",
        "schedule": "{product}_nightly",
        "tags": {"{product}": "yes"},
        "parameters": {"product": {"name": "{product}", "depth": 3}},
    }
    (named,) = expand_jobs(graph(), read_orchestration({"jobs": {"{product}": factory}}).jobs)

    assert "sofas" == named.name
    assert "jobs.{product} (product=sofas)" == named.place
    assert "Lines of sofas, {not_ours}, {key}" == named.job.description
    assert ("sofas_nightly", {"sofas": "yes"}) == (named.job.schedule, named.job.tags)
    assert {"product": {"name": "sofas", "depth": 3}} == named.job.parameters


def test_what_is_written_comes_before_what_is_made():
    """A job of its own, and a factory with more of its name written out, win."""
    everything = {"node_namespaces": ["{product}"]}
    jobs = {
        "{product}__all": {"pipeline": everything, "description": "any"},
        "{product}s__all": {"pipeline": {"node_namespaces": ["{product}s"]}, "description": "more"},
        "desks__all": {"description": "mine"},
    }
    made = expand_jobs(graph(), read_orchestration({"jobs": jobs}).jobs)

    assert {"desks__all": "mine", "lamps__all": "more", "sofas__all": "more"} == {
        each.name: each.job.description for each in made
    }


@pytest.mark.parametrize(
    ("key", "pipeline", "said"),
    [
        ("{product}", {"tags": ["training"]}, "nothing gives placeholder 'product' a value"),
        ("{product}", {"node_namespaces": ["{product}.leg"]}, r"node_namespaces.*'sofas\.line'"),
        ("{p}", {"pipeline_name": "{p}_weekly"}, "pipeline_name.*'{p}_weekly'.*'lamps_daily'"),
        ("{p}", {"pipeline_name": "trainin", "tags": ["{p}"]}, "mean 'training'"),
        ("{p}", {"node_namespaces": ["{p}.{model}"]}, "gives job 'sofas' as well.*every placehol"),
        ("{p}", {"pipeline_name": "lamps_daily", "tags": ["{p}"], "to_nodes": ["x"]}, "node 'x'"),
    ],
    ids=str,
)
def test_factories_that_make_nothing_are_errors(key, pipeline, said):
    """Each says at which entry, and what there is."""
    with pytest.raises(OrchestrationError, match=said) as caught:
        expand({key: {"pipeline": pipeline}})

    assert caught.value.place.startswith(f"jobs.{key}")
