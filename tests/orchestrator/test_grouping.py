"""Which nodes share a process, as dagster.yml says: with a step for each group they are its ops."""

import warnings

import dagster as dg
import pytest
from dagster_kedro import build_definitions
from kedro_manifest.errors import GroupCycleError


@pytest.fixture
def groups(project, node):
    """Return the assets of each op that is defined under a dagster.yml."""

    def defined(memory=(), **orchestration):
        nodes = [
            node("load", [], ["raw"], tags=["group.in", "box.in"]),
            node("tidy", ["raw"], ["table"], tags=["group.in", "rest"]),
            node("fit", ["table"], ["model"], tags=["box.ml"], namespace="ml.north"),
            node("score", ["model"], ["scores"], tags=["box.ml"], namespace="ml.south"),
        ]
        opened = project(
            *nodes,
            memory=memory,
            pipelines={
                "__default__": [each.name for each in nodes],
                "all": [each.name for each in nodes],
                "early": ["load", "tidy"],
                "late": ["fit", "score"],
            },
            orchestration={"step_per": "group", **orchestration},
        )
        definitions = build_definitions(opened)
        dg.Definitions.validate_loadable(definitions)
        return {
            " ".join(sorted(key.to_user_string() for key in each.keys))
            for each in definitions.assets
            if isinstance(each, dg.AssetsDefinition) and each.is_materializable
        }

    return defined


ALONE = {"raw", "table", "model", "scores"}
INPUTS_TOGETHER = {"raw table", "model", "scores"}
MODELS_TOGETHER = {"raw", "table", "model scores"}
BY_PIPELINE = {"raw table", "model scores"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, ALONE),
        ({"step_per": "selection"}, {"model raw scores table"}),
        ({"step_per": "pipeline"}, BY_PIPELINE),
        ({"step_per": "pipeline", "memory": ["table"]}, {"model raw scores table"}),
        ({"grouping": {"strategy": "node"}}, ALONE),
        ({"grouping": {"strategy": "namespace"}}, MODELS_TOGETHER),
        ({"grouping": {"strategy": "tag"}}, INPUTS_TOGETHER),
        ({"grouping": {"strategy": "tag", "tag_prefix": "box."}}, MODELS_TOGETHER),
        ({"grouping": {"strategy": "pipeline"}}, BY_PIPELINE),
        ({"groups": {"g": {"nodes": ["load", "tidy"]}}}, INPUTS_TOGETHER),
        ({"groups": {"g": {"tags": ["box.ml"]}}}, MODELS_TOGETHER),
        ({"groups": {"g": {"namespaces": ["ml"]}}}, MODELS_TOGETHER),
        ({"groups": {"g": {"pipelines": ["late"]}}}, MODELS_TOGETHER),
        ({"memory": ["raw"]}, INPUTS_TOGETHER),
        ({"memory": ["raw"], "memory_datasets": "stage"}, ALONE),
        ({"memory": ["raw"], "memory_datasets": {"r*": "stage"}}, ALONE),
    ],
)
def test_groups(groups, content, expected):
    """Each key of `grouping`, `groups` and `memory_datasets` moves nodes together or apart."""
    assert expected == groups(**content)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [(500, {"shop_assets"}), (501, {"shop_small", "shop_rest"})],
)
def test_large_projects_get_a_step_for_each_pipeline(project, node, nodes, expected):
    """With few nodes a run is one step; with more than 500 each pipeline is one, unasked."""
    every = [node(f"n{number}", outputs=[f"d{number}"]) for number in range(nodes)]
    names = [each.name for each in every]
    pipelines = {"__default__": names, "small": names[:5], "rest": names[5:]}

    definitions = build_definitions(project(*every, pipelines=pipelines))

    assert expected == {each.op.name for each in definitions.assets if each.is_materializable}


def test_groups_that_wait_for_each_other(groups):
    """Both ends of a line take what lies between, or are refused when definitions load."""
    ends = {"ends": {"nodes": ["load", "score"]}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert {"model raw scores table"} == groups(groups=ends)

    with pytest.raises(GroupCycleError, match="ends"):
        groups(groups=ends, grouping={"on_cycle": "refuse"})
