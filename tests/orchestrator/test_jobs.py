"""Jobs of dagster.yml: what they select, how they run, and what is refused."""

import logging
import warnings

import dagster as dg
import pytest
from dagster_kedro import (
    DagsterKedroTranslator,
    KedroPipesResource,
    KedroProject,
    KedroSubprocessClient,
    build_definitions,
    launchpad_resource,
)
from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.jobs.asset_jobs import project_jobs
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.invocation import decode_invocation
from kedro_manifest.model import Dataset, Parameter
from kedro_manifest.orchestration.root import orchestration_of

PARAMETERS = [
    Parameter(name="model", type="object"),
    Parameter(name="model.depth", type="integer", value=3),
    Parameter(name="model.seed", type="integer", value=7),
    Parameter(name="a.b-c", type="string", value="x"),
    Parameter(name="codes", type="object"),
    Parameter(name="codes.1", type="string", value="one", integer_key=True),
]
VERSIONED = Dataset(name="model", type="T", kind="file", uri="data/model", versioned=True)
CLIENTS = {"small": {"type": "subprocess"}, "gpu": {"type": "subprocess"}}


@dg.failure_hook
def tell(_context):
    """A hook that a dagster.yml names."""


@pytest.fixture
def nodes(node):
    """A line of three nodes, the last one without outputs, and one that stands apart."""
    return [
        node("prepare", ["raw"], ["table"], tags=["daily"]),
        node("fit", ["table"], ["model"], tags=["weekly"], namespace="sofas"),
        node("announce", ["model"], [], tags=["weekly"]),
        node("apart", ["other"], ["lonely"], namespace="lamps"),
    ]


@pytest.fixture
def define(project, nodes):
    """Define a project with a dagster.yml."""

    def defined(jobs=None, *, options=None, **orchestration) -> dg.Definitions:
        opened = project(
            *nodes,
            datasets=[VERSIONED],
            parameters=PARAMETERS,
            runtime_parameters=["model.path", "day"],
            pipelines={
                "__default__": [each.name for each in nodes],
                "training": ["fit", "announce"],
            },
            orchestration={"jobs": jobs or {}, "clients": CLIENTS, **orchestration},
        )
        return build_definitions(opened, **(options or {}))

    return defined


@pytest.fixture
def invocations(define, nodes, playing):
    """Run a job; return what its workers were asked to do, by node."""

    def run(jobs, name, run_config=None, *, tags=None, **more):
        client = playing(*nodes)
        job = define(jobs, options={"client": client}, **more).resolve_job_def(name)
        assert job.execute_in_process(run_config=run_config, tags=tags).success
        return {
            launch.group: decode_invocation(launch.context_data["extras"])
            for launch in client.launches
        }

    return run


def assets_of_job(definitions, name):
    return sorted(
        key.to_user_string()
        for key in definitions.resolve_job_def(name).asset_layer.selected_asset_keys
    )


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ({}, ["announce", "lonely", "model", "table"]),
        ("training", ["announce", "model"]),
        ({"pipeline_name": "training", "node_names": ["fit"]}, ["model"]),
        ({"pipeline_names": ["training", "__default__"], "tags": ["daily"]}, ["table"]),
        ({"pipeline_name": "training"}, ["announce", "model"]),
        ({"pipeline_names": ["training"]}, ["announce", "model"]),
        ({"from_nodes": ["fit"]}, ["announce", "model"]),
        ({"to_nodes": ["fit"]}, ["model", "table"]),
        ({"from_inputs": ["model"]}, ["announce"]),
        ({"to_outputs": ["table"]}, ["table"]),
        ({"node_namespaces": ["lamps", "sofas"]}, ["lonely", "model"]),
        ({"node_namespace": "lamps"}, ["lonely"]),
    ],
    ids=str,
)
def test_filters(define, pipeline, expected):
    """A job holds what `kedro run` would run with its filters, nodes without outputs too."""
    assert expected == assets_of_job(define({"chosen": {"pipeline": pipeline}}), "chosen")


def test_jobs_may_share_nodes(define):
    """Any number of jobs may hold a node; the code location loads all the same."""
    definitions = define(
        {"one": {"pipeline": "training"}, "two": {"pipeline": {"tags": ["weekly"]}}}
    )

    dg.Definitions.validate_loadable(definitions)
    assert ["announce", "model"] == assets_of_job(definitions, "one")
    assert ["announce", "model"] == assets_of_job(definitions, "two")


def test_jobs_of_pipelines(define):
    """Every pipeline has a job, unless one of dagster.yml has its name, or none is wanted."""
    jobs = {"training": {"pipeline": {"node_names": ["fit"]}}, "mine": {}}
    both = define(jobs)
    alone = define(jobs, pipeline_jobs=False)

    assert ["model"] == assets_of_job(both, "training")
    observing = "observe_inputs"
    assert {"mine", "training", "__default__", observing} == {job.name for job in both.jobs}
    assert {"mine", "training", observing} == {job.name for job in alone.jobs}


def test_factories_and_legal_names(define):
    """A factory makes a job for each namespace; what Dagster cannot spell is escaped."""
    definitions = define(
        {"{product}__all": {"pipeline": {"node_namespaces": ["{product}"]}}, "a-b.c": {}},
        pipeline_jobs=False,
    )

    assert ["model"] == assets_of_job(definitions, "sofas__all")
    assert ["lonely"] == assets_of_job(definitions, "lamps__all")
    names = {job.name for job in definitions.jobs} - {"observe_inputs"}
    assert {"sofas__all", "lamps__all", "aU_2d_UbU_2e_Uc"} == names


def test_what_dagster_shows(define):
    """Description, tags and metadata are the job's; tags are those of its runs as well."""
    job = define(
        {
            "nightly": {
                "description": "All of it.",
                "tags": {"team": "sales"},
                "metadata": {"doc": "https://example.com", "rows": 3, "more": {"a": [1]}},
            }
        }
    ).resolve_job_def("nightly")

    assert ("All of it.", "sales", "sales") == (
        job.description,
        job.tags["team"],
        job.run_tags["team"],
    )
    assert ["doc", "more", "rows"] == sorted(job.metadata)


def test_a_description_of_its_own_accord(define):
    """Without a description a job tells its pipeline and the number of its nodes."""
    job = define({"j": {"pipeline": "training"}}).resolve_job_def("j")

    assert "Of Kedro pipeline `training`, 2 nodes." == job.description


def test_settings_take_effect_without_run_config(invocations):
    """A schedule or a person that says nothing gets what the job says."""
    job = {
        "pipeline": {"node_names": ["fit"]},
        "env": "prod",
        "parameters": {"model": {"depth": 9}, "a.b-c": "y", "codes": {"1": "uno"}},
        "log_level": "debug",
    }
    asked = invocations({"j": job}, "j")["fit"]

    assert "prod" == asked.env
    assert {"model": {"depth": 9}, "a.b-c": "y", "codes": {1: "uno"}} == asked.runtime_params
    assert "DEBUG" == asked.log_level


@pytest.mark.parametrize("run_config", [None, {"loggers": {"console": {}}}])
def test_settings_take_effect_where_nobody_asks_for_those_of_the_partition(invocations, run_config):
    """A run of a partitioned job that is launched with a tag only gets what the job says."""
    parameters = {"model": {"depth": 9}, "codes": {"1": "uno"}}
    job = {"pipeline": {"node_names": ["fit"]}, "env": "prod", "parameters": parameters}
    shops = {"type": "static", "keys": ["north", "south"], "datasets": ["model"]}
    tags = {"dagster/partition": "north"}
    asked = invocations({"j": job}, "j", run_config, tags=tags, partitions={"shops": shops})["fit"]

    assert "prod" == asked.env
    assert {"depth": 9} == asked.runtime_params["model"]
    assert {1: "uno"} == asked.runtime_params["codes"]
    assert "north" == asked.runtime_params["partition_key"]


def test_what_only_the_catalog_speaks_of_is_a_setting_too(invocations):
    """`kedro run --params` takes it, so a job does."""
    given = {"day": "2026-01-01", "model": {"path": "m.pickle"}}
    job = {"pipeline": {"node_names": ["fit"]}, "parameters": given}

    assert given == invocations({"j": job}, "j")["fit"].runtime_params


def test_the_launchpad_wins(invocations):
    """What a person sets for a run replaces the job's configuration of the resource."""
    jobs = {"j": {"pipeline": {"node_names": ["fit"]}, "parameters": {"model": {"depth": 9}}}}
    config = {"resources": {"kedro": {"config": {"parameters": {"model": {"seed": 1}}}}}}

    assert {"model": {"seed": 1}} == invocations(jobs, "j", config)["fit"].runtime_params
    other = {"loggers": {"console": {}}}
    assert {"model": {"depth": 9}} == invocations(jobs, "j", other)["fit"].runtime_params


def test_what_a_run_takes_the_place_of_is_told(define, nodes, playing):
    """Dagster drops the job's configuration of the resource; the run's log says what is gone."""
    own = {"env": "prod", "parameters": {"model": {"depth": 9, "seed": 1}}}
    job = {"pipeline": {"node_names": ["fit"]}, **own}
    opened = define({"j": job}, options={"client": playing(*nodes)}).resolve_job_def("j")

    def warned(config):
        with dg.DagsterInstance.ephemeral() as instance:
            run_config = {"resources": {"kedro": {"config": config}}}
            run = opened.execute_in_process(run_config=run_config, instance=instance)
            entries = instance.all_logs(run.run_id)
        return [entry.user_message for entry in entries if entry.level == logging.WARNING]

    (warning,) = warned({"parameters": {"model": {"depth": 2}}})
    assert "dagster.yml: 'jobs.j.env', 'jobs.j.parameters.model.seed' does not count" in warning
    assert [] == warned({**own, "env": "test", "log_level": "DEBUG"})


def test_configuration_for_one_run(project, nodes):
    """Whoever launches a job with more settings keeps those that the job has."""
    opened = project(
        *nodes,
        parameters=PARAMETERS,
        orchestration={"jobs": {"j": {"env": "prod", "parameters": {"model": {"depth": 9}}}}},
    )
    index = AssetIndex(opened, DagsterKedroTranslator())
    orchestration = orchestration_of(opened.manifest)
    resource = launchpad_resource(
        opened.manifest, KedroPipesResource(client=KedroSubprocessClient())
    )
    jobs = project_jobs(index, orchestration, resource, nodes=set(index.graph.nodes))
    config = jobs.config_with("j", {"parameters": {"model": {"seed": 1}}})

    both = {"env": "prod", "parameters": {"model": {"depth": 9, "seed": 1}}}
    assert {"resources": {"kedro": {"config": both}}} == config
    assert {} == jobs.config_with("__default__", {})
    assert jobs.find("j", "sensors.s.job") is jobs.by_name["j"]
    with pytest.raises(OrchestrationError, match=r"s\.job: there is no job 'k'.*'j'"):
        jobs.find("k", "sensors.s.job")


def test_settings_are_shown_in_the_launchpad(define):
    """What is prefilled there is the job's own configuration."""
    job = {
        "load_versions": {"model": "2026-01-01T00.00.00.000Z"},
        "only_missing_outputs": True,
        "max_concurrent": 0,
        "client": "gpu",
        "log_level": "WARNING",
    }

    shown = define({"j": job}).resolve_job_def("j").run_config
    assert {"resources": {"kedro": {"config": job}}} == shown


@pytest.mark.parametrize(
    ("job", "place", "said"),
    [
        ({"parameters": {"modle": {"depth": 1}}}, "parameters", "'model'"),
        ({"parameters": {"model": {"dept": 1}}}, "parameters.model", "'depth'"),
        ({"parameters": {"model": {"depth": "x"}}}, "parameters.model.depth", '"Int"'),
        ({"load_versions": {"tabel": "v"}}, "load_versions", "'model'"),
        ({"parameters": {"codes": {"1": {"x": 1}}}}, "parameters.codes.1", "String"),
        ({"client": "gpus"}, "client", "'gpu'"),
        ({"max_concurrent": -1}, "max_concurrent", "at least 0"),
        ({"schedule": "nightly"}, "schedule", "no schedule"),
        ({"retries": {"run": -1}}, "retries.run", "at least 0"),
        ({"retries": {"step": -1}}, "retries.step", "at least 0"),
        ({"retries": {"step": {"backoff": "linear"}}}, "retries.step", "`delay_s`"),
        ({"retries": {"step": {"on": ["timeout"]}}}, "retries.step.on", "any failure"),
        ({"hooks": ["dagster:job"]}, "hooks.0", "expected a HookDefinition"),
        ({"hooks": ["dagster.job"]}, "hooks.0", "expected `module:name`"),
        ({"hooks": ["no_such_module:x"]}, "hooks.0", "cannot be imported: ModuleNotFound"),
        ({"hooks": ["dagster:HookDefinitio"]}, "hooks.0", "'HookDefinition'"),
        (
            {"pipeline": {"tags": ["weekly"], "node_names": ["apart"]}},
            "pipeline",
            "no node is left",
        ),
        ({"pipeline": "trainin"}, "pipeline", "'training'"),
    ],
    ids=str,
)
def test_wrong_entries(define, job, place, said):
    """The definitions do not load; the error names the job and what may stand there."""
    with pytest.raises(OrchestrationError, match=r"dagster\.yml: jobs\.j") as caught:
        define({"j": job})

    assert f"jobs.j.{place}" == caught.value.place
    assert said in str(caught.value)


def test_retries(define):
    """A number retries the run; a step has a policy of its own."""
    definitions = define(
        {
            "runs": {"retries": 2},
            "never": {"retries": 0},
            "steps": {"retries": {"step": 4}},
            "both": {
                "retries": {
                    "run": 1,
                    "run_strategy": "all_steps",
                    "step": {
                        "max_retries": 3,
                        "delay_s": 1.5,
                        "backoff": "exponential",
                        "jitter": "full",
                    },
                }
            },
        }
    )
    jobs = {job.name: definitions.resolve_job_def(job.name) for job in definitions.jobs}
    tags = {
        name: {key: value for key, value in job.run_tags.items() if "retr" in key}
        for name, job in jobs.items()
    }

    assert {"dagster/max_retries": "2", "dagster/retry_strategy": "FROM_FAILURE"} == tags["runs"]
    assert "0" == tags["never"]["dagster/max_retries"]
    assert {"dagster/max_retries": "1", "dagster/retry_strategy": "ALL_STEPS"} == tags["both"]
    assert ({}, dg.RetryPolicy(max_retries=4)) == (tags["steps"], jobs["steps"].op_retry_policy)
    assert jobs["both"].op_retry_policy == dg.RetryPolicy(
        max_retries=3, delay=1.5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL
    )


def test_a_failed_step_is_tried_again(define, playing):
    """The policy reaches the step: it is attempted as often as the job says."""
    job = define({"j": {"retries": {"step": 2}}}, options={"client": playing()}).resolve_job_def(
        "j"
    )
    result = job.execute_in_process(raise_on_error=False)

    restarted = [event for event in result.all_events if event.event_type_value == "STEP_RESTARTED"]
    assert (False, 2) == (result.success, len(restarted))


def test_hooks(define):
    """A hook is called for each step of the job."""
    job = define({"j": {"hooks": [f"{__name__}:tell"]}}).resolve_job_def("j")

    assert {tell} == job.hook_defs


def test_jobs_outside_of_the_chosen_pipelines_are_left_out(define):
    """What a code location cannot run is not there, and a warning says so."""
    jobs = {"all": {}, "train": {"pipeline": "training"}}
    with pytest.warns(UserWarning, match=r"jobs\.all is left out: it runs 'apart', 'prepare'"):
        definitions = define(jobs, options={"pipelines": ["training"]})

    assert {"train", "training"} == {job.name for job in definitions.jobs}


def test_entries_that_no_job_names(define):
    """They are legal, but somebody expected something of them."""
    with pytest.warns(UserWarning, match="no job names `schedules.nightly`"):
        define(schedules={"nightly": {"cron_schedule": "0 3 * * *"}})


def test_nothing_else_is_warned_of(define):
    """A file without a flaw loads in silence, Dagster's own deprecations included."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        definitions = define({"j": {"loggers": ["console"], "executor": "in_process"}})
        dg.Definitions.validate_loadable(definitions)


def test_projects_with_prefixes(tmp_path, manifest, nodes):
    """Jobs, schedules and loggers of several projects have names of their own."""
    orchestration = {
        "jobs": {
            "j": {"schedule": "s", "loggers": ["audit"], "parameters": {"model": {"depth": 9}}}
        },
        "schedules": {"s": {"cron_schedule": "0 3 * * *"}},
        "loggers": {"audit": {}},
    }
    projects = []
    for name in ("sales", "hr"):
        described = manifest(*nodes, parameters=PARAMETERS, orchestration=orchestration)
        write_manifest(described, tmp_path / name / "manifest.json")
        projects.append(KedroProject(tmp_path / name, key_prefix=name))
    definitions = build_definitions(*projects)

    dg.Definitions.validate_loadable(definitions)
    assert {"sales_j", "hr_j"} == {job.name for job in definitions.jobs if job.config}
    assert {"sales_j_schedule", "hr_j_schedule"} == {each.name for each in definitions.schedules}
    assert {"console", "sales_audit", "hr_audit"} == definitions.loggers.keys()
    config = definitions.resolve_job_def("hr_j").run_config
    assert {"hr_kedro"} == config["resources"].keys()


def test_other_definitions_stay_as_they_are(define):
    """Merged with others, which have jobs, loggers and an executor, each keeps its own."""

    @dg.asset
    def foreign():
        """Made by somebody else."""

    theirs = dg.Definitions(
        assets=[foreign],
        jobs=[dg.define_asset_job("theirs", selection=[foreign])],
        executor=dg.in_process_executor,
    )
    ours = define(
        {"ours": {"loggers": ["audit"], "executor": "multiprocess"}},
        loggers={"audit": {}},
        executor="merged",
    )
    merged = dg.Definitions.merge(ours, theirs)

    dg.Definitions.validate_loadable(merged)
    job = merged.resolve_job_def("theirs")
    assert dg.in_process_executor is job.executor_def
    assert job.execute_in_process(run_config={"loggers": {"console": {}}}).success
    assert "multiprocess" == merged.resolve_job_def("ours").executor_def.name


def test_a_file_of_kedro_dagster(define, invocations, tmp_path):
    """What `kedro dagster init` writes works as it is, with its job factory and its executors."""
    file = {
        "loggers": {
            "file_logger": {
                "log_level": "INFO",
                "formatters": {"simple": {"format": "[%(asctime)s] %(levelname)s - %(message)s"}},
                "handlers": [
                    {
                        "class": "logging.handlers.RotatingFileHandler",
                        "level": "INFO",
                        "formatter": "simple",
                        "filename": "dagster_run_info.log",
                        "maxBytes": 10485760,
                        "backupCount": 20,
                        "encoding": "utf8",
                        "delay": True,
                    }
                ],
                "filters": None,
            }
        },
        "schedules": {"daily": {"cron_schedule": "0 0 * * *", "metadata": None}},
        "executors": {"sequential": {"in_process": None}},
    }
    jobs = {
        "default": {
            "pipeline": {"pipeline_name": "__default__", "tags": None},
            "loggers": ["file_logger"],
            "schedule": "daily",
            "executor": "sequential",
        },
        "{product}__fit": {"pipeline": {"node_namespaces": ["{product}"]}, "loggers": None},
    }

    assert {"prepare", "fit", "announce", "apart"} == invocations(jobs, "default", **file).keys()
    assert "] INFO - " in (tmp_path / "dagster_run_info.log").read_text()
    definitions = define(jobs, **file)
    assert ["0 0 * * *"] == [schedule.cron_schedule for schedule in definitions.schedules]
    assert ["model"] == assets_of_job(definitions, "sofas__fit")


def test_partitions_of_a_job(project, nodes):
    """A job has the partitions of its nodes; only then may a schedule want `all` of them."""
    jobs = {"j": {"schedule": {"cron_schedule": "@daily", "partition": "all"}}}
    shops = {"type": "static", "keys": ["north", "south"], "pipelines": ["__default__"]}
    opened = project(*nodes, orchestration={"jobs": jobs, "partitions": {"shops": shops}})
    definitions = build_definitions(opened)

    made = definitions.resolve_job_def("j").partitions_def
    assert ["north", "south"] == made.get_partition_keys()
    assert ["j_schedule"] == [schedule.name for schedule in definitions.schedules]
