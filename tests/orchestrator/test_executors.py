"""Executors of dagster.yml: each kind that Dagster has, with its own options."""

import sys

import dagster as dg
import pytest
from dagster_kedro import KedroProject, build_definitions
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import OrchestrationError

K8S = {
    "job_namespace": "dagster",
    "load_incluster_config": True,
    "max_concurrent": 10,
    "image_pull_policy": "Always",
    "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
    "step_k8s_config": {"container_config": {"image": "shop:1"}},
}
CELERY = {
    "broker": "redis://redis:6379/0",
    "backend": "redis://redis:6379/1",
    "include": ["shop.definitions"],
    "config_source": {"task_serializer": "json"},
}
KINDS = [
    ("in_process", None, "in_process"),
    ("in_process", {"retries": {"enabled": {}}}, "in_process"),
    ("multiprocess", {"max_concurrent": 2}, "multiprocess"),
    (
        "docker",
        {"image": "shop:1", "env_vars": ["A=b"], "container_kwargs": {"volumes": ["/a:/a"]}},
        "docker",
    ),
    ("docker_executor", {"image": "shop:1", "networks": ["a", "b"]}, "docker"),
    ("k8s_job", K8S, "k8s"),
    ("k8s_job_executor", K8S, "k8s"),
    ("celery", CELERY, "celery"),
    ("celery_executor", {"broker": "redis://redis"}, "celery"),
    ("celery_docker", {**CELERY, "docker": {"image": "shop:1"}}, "celery-docker"),
    ("celery_docker_executor", {"docker": {"image": "shop:1"}}, "celery-docker"),
    ("celery_k8s_job", {"broker": "redis://redis", "job_wait_timeout": 60.0}, "celery-k8s"),
    ("celery_k8s_job_executor", None, "celery-k8s"),
    ("celery_k8s", {"job_image": "shop:1"}, "celery-k8s"),
]
MODULES = {
    "docker": "dagster_docker",
    "k8s": "dagster_k8s",
    "celery": "dagster_celery",
    "celery-docker": "dagster_celery_docker",
    "celery-k8s": "dagster_celery_k8s",
}


@pytest.fixture
def executor(project, node):
    """Return the executor that a job gets from its dagster.yml."""

    def executor_of(wanted, **executors) -> dg.ExecutorDefinition:
        orchestration = {"jobs": {"j": {"executor": wanted}}, "executors": executors}
        opened = project(node("make", [], ["table"]), orchestration=orchestration)
        definitions = build_definitions(opened)
        dg.Definitions.validate_loadable(definitions)
        return definitions.resolve_job_def("j").executor_def

    return executor_of


@pytest.mark.parametrize(("kind", "options", "name"), KINDS, ids=str)
def test_kinds(executor, kind, options, name):
    """Each kind, by a name of one's own or in place, is Dagster's executor with the options."""
    if name in MODULES:
        pytest.importorskip(MODULES[name], reason="pip install 'kedro-dagster-pipes[executors]'")

    assert name == executor("mine", mine={kind: options}).name
    assert name == executor({kind: options}).name


@pytest.mark.dask
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dask", {"cluster": {"local": {"n_workers": 2}}}),
        ("dask_executor", {"cluster": {"existing": {"address": "tcp://dask:8786"}}}),
    ],
    ids=str,
)
def test_dask(executor, kind, options):
    """The same for the one kind whose libraries are too large for everybody's environment."""
    pytest.importorskip("dagster_dask", reason="make test-dask")

    assert "dask" == executor("mine", mine={kind: options}).name
    assert "dask" == executor({kind: options}).name


@pytest.mark.parametrize("kind", ["in_process", "multiprocess"])
def test_a_kind_without_options_needs_no_entry(executor, kind):
    """A job may name the kind itself; an entry of that name goes first."""
    assert kind == executor(kind).name
    assert "in_process" == executor(kind, **{kind: {"in_process": None}}).name


@pytest.mark.parametrize(
    ("wanted", "place", "said"),
    [
        ({"multiprocess": {"max_concurent": 2}}, "executors.mine.multiprocess", "'max_concurrent'"),
        (
            {"multiprocess": {"max_concurrent": "two"}},
            "executors.mine.multiprocess.max_concurrent",
            'expected type "Int"',
        ),
        (
            {"multiprocess": {"retries": {"enable": {}}}},
            "executors.mine.multiprocess.retries",
            "'enabled'",
        ),
        ({"multiproces": {}}, "executors.mine", "multiproces"),
        ({"in_process": {}, "multiprocess": {}}, "executors.mine", "expected one kind"),
        ({}, "executors.mine", "expected one kind of executor, got none"),
    ],
    ids=str,
)
def test_wrong_options(executor, wanted, place, said):
    """Dagster's own schema is asked, and the error stands at the entry."""
    with pytest.raises(OrchestrationError) as caught:
        executor("mine", mine=wanted)

    assert caught.value.place.startswith(place)
    assert said in str(caught.value)


def test_a_package_that_is_not_installed(executor, monkeypatch):
    """The error names the package to install, and the place."""
    monkeypatch.setitem(sys.modules, "dagster_celery_k8s", None)

    with pytest.raises(OrchestrationError, match=r"mine\.celery_k8s_job: .*`pip install dagster-c"):
        executor("mine", mine={"celery_k8s_job": {}})


def test_a_kind_in_another_spelling_needs_no_entry(executor):
    """kedro-dagster's names of kinds may stand in a job as well."""
    pytest.importorskip("dagster_celery_k8s", reason="pip install 'kedro-dagster-pipes[celery]'")

    assert "celery-k8s" == executor("celery_k8s").name


def test_an_executor_that_no_job_uses_is_not_imported(executor, monkeypatch):
    """A file may name executors of another deployment."""
    monkeypatch.setitem(sys.modules, "dagster_dask", None)

    with pytest.warns(UserWarning, match=r"executors\.there"):
        assert "in_process" == executor("here", here={"in_process": {}}, there={"dask": {}}).name


@pytest.fixture
def default(project, node):
    """Return the executor of a code location, and of its jobs that name none."""

    def default_of(**orchestration) -> dg.ExecutorDefinition | None:
        opened = project(
            node("make", [], ["table"]), orchestration={"jobs": {"j": {}}, **orchestration}
        )
        definitions = build_definitions(opened)
        dg.Definitions.validate_loadable(definitions)
        job = definitions.resolve_job_def("j").executor_def
        assert definitions.executor in (job, None)
        return definitions.executor and job

    return default_of


def test_executor_of_what_names_none(default):
    """A kind, a name or one in place is that of all; `merged` leaves it to other definitions."""
    assert "kedro_executor" == default().name
    assert default() is default(executor="auto")
    assert "in_process" == default(executor="in_process").name
    assert "in_process" == default(executor="mine", executors={"mine": {"in_process": {}}}).name
    assert "multiprocess" == default(executor={"multiprocess": {"max_concurrent": 2}}).name
    assert default(executor="merged") is None


@pytest.mark.parametrize(
    ("wanted", "place", "said"),
    [
        ("nobody", "executor", "there is no executor 'nobody'"),
        ({}, "executor", "expected one kind of executor, got none"),
        ({"multiprocess": {"max_concurent": 2}}, "executor.multiprocess", "'max_concurrent'"),
    ],
    ids=str,
)
def test_wrong_executor_of_what_names_none(default, wanted, place, said):
    """It is checked as one of a job is."""
    with pytest.raises(OrchestrationError) as caught:
        default(executor=wanted)

    assert caught.value.place.startswith(place)
    assert said in str(caught.value)


def test_executors_of_merged_definitions(tmp_path, manifest, node):
    """Equal executors of several projects merge; different ones are an error with the way out."""

    def opened(name, executor):
        content = manifest(node("make", [], ["table"]), orchestration={"executor": executor})
        write_manifest(content, tmp_path / name / "manifest.json")
        return KedroProject(tmp_path / name, key_prefix=name)

    two = {"multiprocess": {"max_concurrent": 2}}
    merged = build_definitions(opened("a", two), opened("b", two), opened("c", "merged"))
    assert "multiprocess" == merged.executor.name
    others = dg.Definitions(executor=dg.in_process_executor)
    alone = dg.Definitions.merge(build_definitions(opened("a", "merged")), others)
    assert dg.in_process_executor is alone.executor
    with pytest.raises(OrchestrationError, match=r"different executors.*`executor: merged`"):
        build_definitions(opened("a", two), opened("b", "auto"))
