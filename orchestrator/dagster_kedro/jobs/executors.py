"""Executors of `dagster.yml`, by Dagster's own names for them. Definition time only.

The integrations are imported only where an entry asks for one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.jobs import AUTO_EXECUTOR, MERGED_EXECUTOR, Executor
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.spelling import executor_kind

from dagster_kedro.configuration.config_errors import ConfigCheck
from dagster_kedro.jobs.one_step import kedro_executor
from dagster_kedro.sharing import Shared

_FACTORIES = {
    "in_process": ("dagster", "in_process_executor"),
    "multiprocess": ("dagster", "multiprocess_executor"),
    "docker": ("dagster-docker", "docker_executor"),
    "k8s_job": ("dagster-k8s", "k8s_job_executor"),
    "celery": ("dagster-celery", "celery_executor"),
    "celery_docker": ("dagster-celery-docker", "celery_docker_executor"),
    "celery_k8s_job": ("dagster-celery-k8s", "celery_k8s_job_executor"),
    "dask": ("dagster-dask", "dask_executor"),
}
"""By kind: the package to install, whose module is spelled with `_`, and the name in it."""

_MADE: Shared[dg.ExecutorDefinition] = Shared()


def default_executor(orchestration: Orchestration) -> dg.ExecutorDefinition | None:
    """Return the executor of what names none; None where other definitions are to say.

    Raises:
        OrchestrationError: As `executor_of` does.
    """
    if orchestration.executor == MERGED_EXECUTOR:
        return None
    if orchestration.executor == AUTO_EXECUTOR:
        return kedro_executor
    return executor_of(orchestration, orchestration.executor, "executor")


def check_one_executor(executors: Iterable[object]) -> None:
    """Let projects that share a code location name one executor at most; None names none.

    Raises:
        OrchestrationError: They name several.
    """
    if len({id(each) for each in executors if each is not None}) > 1:
        raise OrchestrationError.at(
            "executor",
            "the projects of this code location name different executors",
            "It has one for all: name the same, leave it to one of them with `executor: merged` "
            "in the others, or name executors under `jobs`.",
        )


def executor_of(
    orchestration: Orchestration, wanted: str | Executor, place: str
) -> dg.ExecutorDefinition:
    """Return the executor that a job asks for.

    Args:
        orchestration: Knows the executors with names.
        wanted: A name under `executors`, a kind, or one written in place.
        place: Dotted keys of the entry, for errors.

    Raises:
        OrchestrationError: Its package is not installed, or Dagster refuses an option.
    """
    if isinstance(wanted, str):
        if wanted in orchestration.executors:
            return executor_of(
                orchestration, orchestration.executors[wanted], f"executors.{wanted}"
            )
        return _executor(wanted, {}, place)
    ((kind, options),) = wanted.items()
    return _executor(kind, options or {}, f"{place}.{kind}")


def _executor(kind: str, options: dict[str, object], place: str) -> dg.ExecutorDefinition:
    package, name = _FACTORIES[executor_kind(kind)]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise OrchestrationError.at(
            place,
            f"the executor needs package '{package}', which cannot be imported ({error})",
            f"Run `pip install {package}` in Dagster's environment.",
        ) from error
    executor: dg.ExecutorDefinition = _MADE.get(
        (package, name, options), lambda: getattr(module, name).configured(options)
    )
    for problem in ConfigCheck(executor=executor).problems({}):
        inner = ".".join(problem.path[1:])
        raise OrchestrationError.at(
            f"{place}.{inner}" if inner else place, problem.message, problem.hint
        )
    return executor
