"""What the Launchpad offers and refuses, for parameters of every kind that YAML knows."""

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroSubprocessClient, launchpad_resource
from kedro_manifest.model import Dataset, Parameter
from kedro_manifest.orchestration.clients import SubprocessClient

PARAMETERS = [
    Parameter(name="model", type="object"),
    Parameter(name="model.options", type="object"),
    Parameter(name="model.options.depth", type="integer", value=3),
    Parameter(name="model.options.seed", type="integer", value=7),
    Parameter(name="test-share", type="number", value=0.5),
    Parameter(name="a.b", type="string", value="x"),
    Parameter(name="nothing", type="null"),
    Parameter(name="columns", type="array", value=[1, "a", None]),
    Parameter(name="extras", type="object"),
    Parameter(name="codes", type="object"),
    Parameter(name="codes.1", type="string", value="one", integer_key=True),
    Parameter(name="token", type="string"),
    Parameter(name="day", type="other", value="2020-01-01"),
    Parameter(name="on", type="boolean", value=True),
]
CLIENTS = {"default": SubprocessClient(grace_s=1), "big-machine": SubprocessClient(grace_s=2)}


@pytest.fixture
def start(manifest, node):
    """Start a run with a configuration; return the resource that a step of it gets."""

    def started(config, **options):
        described = manifest(
            node("train", ["raw"], ["model"]),
            datasets=[
                Dataset(name="model", type="pickle.PickleDataset", kind="file", versioned=True),
                Dataset(name="x@one", type="pickle.PickleDataset", kind="file", versioned=True),
            ],
            parameters=PARAMETERS,
            runtime_parameters=["partition", "model.options.rate", "source.bucket"],
        )
        resource = KedroPipesResource(client=KedroSubprocessClient(), **options)
        given = []

        @dg.multi_asset(specs=[dg.AssetSpec("a")])
        def take(kedro: KedroPipesResource):
            given.append(kedro)
            yield dg.MaterializeResult("a")

        typed = launchpad_resource(described, resource, CLIENTS)
        definitions = dg.Definitions(assets=[take], resources={"kedro": typed})
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"resources": {"kedro": {"config": config}}}
        )
        return given[0]

    return started


@pytest.mark.parametrize(
    "parameters",
    [
        {"model": {"options": {"depth": 4}}},
        {"test-share": 0.25},
        {"a.b": "y"},
        {"nothing": [1, {"k": None}]},
        {"columns": None},
        {"columns": ["b", None]},
        {"extras": {"any": {"thing": 1}}},
        {"codes": {"1": "uno"}},
        {"token": "t"},
        {"day": "2021-01-01"},
        {"on": False},
        {"partition": "2026-01"},
        {"partition": None, "model": {"options": {"rate": 0.5}}},
        {"source": {"bucket": ["b"]}},
    ],
    ids=str,
)
def test_parameters_reach_the_run(start, parameters):
    """What is set is handed on as it is, and nothing besides."""
    assert parameters == start({"parameters": parameters}).parameters


def test_defaults_are_left_to_kedro(start):
    """Dagster fills in the defaults; sent along, they would override other environments."""
    assert {} == start({}).parameters
    assert {} == start({"parameters": {"model": {"options": {"depth": 3}}}}).parameters


def test_parameters_are_merged_over_those_of_the_resource(start):
    """As with `kedro run --params`, what is not set stays."""
    of_resource = {"model": {"options": {"depth": 1, "seed": 1}}}
    ready = start({"parameters": {"model": {"options": {"depth": 9}}}}, parameters=of_resource)

    assert {"model": {"options": {"depth": 9, "seed": 1}}} == ready.parameters


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"parameters": {"modle": {}}}, 'unexpected config entry "modle"'),
        ({"parameters": {"model": {"options": {"dept": 1}}}}, 'unexpected config entry "dept"'),
        ({"parameters": {"model": {"options": {"depth": "deep"}}}}, 'expected type "Int"'),
        ({"parameters": {"model": {"options": {"depth": 1.5}}}}, 'expected type "Int"'),
        ({"parameters": {"test-share": "half"}}, 'expected type "Float"'),
        ({"parameters": {"on": "yes"}}, 'expected type "Bool"'),
        ({"parameters": {"columns": {"a": 1}}}, "columns"),
        ({"load_versions": {"raw": "v"}}, 'unexpected config entry "raw"'),
        ({"client": "other"}, "not in enum type"),
        ({"log_level": "LOUD"}, "not in enum type"),
        ({"worker": {"pyhton": "x"}}, 'unexpected config entry "pyhton"'),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_before_anything_starts(start, config, said):
    """The error names the entry, and no step has begun."""
    with pytest.raises(dg.DagsterInvalidConfigError, match=said):
        start(config)


def test_settings_of_one_run(start):
    """Everything that is not a parameter is typed as well."""
    ready = start(
        {
            "env": "prod",
            "client": "big-machine",
            "load_versions": {"model": "2026-01-01T00.00.00.000Z", "x@one": "v", "x": "v"},
            "only_missing_outputs": True,
            "max_concurrent": 2,
            "log_level": "DEBUG",
            "worker": {"python": "/opt/python", "env": {"A": "b"}, "timeout_s": 60},
        }
    )

    assert ("prod", "big-machine", True, 2, "DEBUG") == (
        ready.env,
        ready.client_name,
        ready.only_missing_outputs,
        ready.max_concurrent,
        ready.log_level,
    )
    assert {"model", "x@one", "x"} == ready.load_versions.keys()
    assert {"python": "/opt/python", "env": {"A": "b"}, "timeout_s": 60.0} == ready.worker
