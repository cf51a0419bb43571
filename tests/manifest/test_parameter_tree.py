"""Parameters by dotted names, and the tree that a user means by them."""

from kedro_manifest.invocation import EXTRAS_KEY, Invocation, decode_invocation, encode_invocation
from kedro_manifest.model import Manifest, Parameter, Project
from kedro_manifest.parameter_tree import (
    integer_keys,
    parameter_tree,
    settable_tree,
    without_defaults,
)
from msgspec import json

PARAMETERS = [
    Parameter(name="model", type="object"),
    Parameter(name="model.depth", type="integer", value=3),
    Parameter(name="model.with.dot", type="string", value="x"),
    Parameter(name="top.dot", type="integer", value=1),
    Parameter(name="codes", type="object"),
    Parameter(name="codes.1", type="string", value="one", integer_key=True),
    Parameter(name="codes.2", type="string", value="two"),
    Parameter(name="token", type="string"),
    Parameter(name="nothing", type="null"),
]
TREE = parameter_tree(PARAMETERS)


def test_a_dot_in_a_key_is_no_mapping():
    """A name is split only after a mapping that there is."""
    assert {"model", "top.dot", "codes", "token", "nothing"} == TREE.keys()
    assert {"depth", "with.dot"} == TREE["model"].children.keys()


def test_what_equals_its_default_is_left_out():
    """Only what was changed is sent to Kedro."""
    values = {"model": {"depth": 3, "with.dot": "y"}, "top.dot": 1, "nothing": None, "new": 0}

    assert {"model": {"with.dot": "y"}, "new": 0} == without_defaults(values, TREE)


def test_a_hidden_default_is_never_taken_for_what_was_given():
    """A secret has no value in the manifest, so null is a value like any other."""
    assert {"token": None} == without_defaults({"token": None}, TREE)


def test_integer_keys_survive_json():
    """JSON has text for keys only; the worker gets back what YAML had."""
    params = {"codes": {"1": "uno", "2": "dos"}}
    invocation = Invocation(
        group="g",
        nodes=["n"],
        pipelines=["p"],
        kedro_run_id="2026-01-01T00.00.00.000Z",
        dagster_run_id="d",
        package_name="p",
        runtime_params=params,
        integer_keys=list(integer_keys(params, TREE)),
    )
    sent = json.decode(json.encode(encode_invocation(invocation)))

    assert EXTRAS_KEY in sent
    assert {"codes": {1: "uno", "2": "dos"}} == decode_invocation(sent).runtime_params


def test_what_only_the_configuration_speaks_of_can_be_set_too():
    """It joins its mapping; below what takes anything, or is no mapping, it is nothing new."""
    project = Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11")
    names = ["day", "free.key", "model.depth", "model.seed", "nothing.at", "source.bucket"]
    parameters = [*PARAMETERS, Parameter(name="free", type="object")]
    manifest = Manifest(project=project, parameters=parameters, runtime_parameters=names)
    tree = settable_tree(manifest)

    assert {"day", "source"} == tree.keys() - parameter_tree(parameters).keys()
    assert {"depth", "seed", "with.dot"} == tree["model"].children.keys()
    assert not tree["model"].children["depth"].runtime_only
    assert tree["model"].children["seed"].runtime_only
    assert {"bucket"} == tree["source"].children.keys()
    assert {} == tree["free"].children == tree["nothing"].children
    assert {"day": None} == without_defaults({"day": None}, tree)
