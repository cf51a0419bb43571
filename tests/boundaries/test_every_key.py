"""Every key of dagster.yml has a test that shows its effect in loaded definitions or in a run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from kedro_manifest.orchestration.annotations import alternatives, is_struct
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.shapes import (
    choices,
    is_list,
    is_mapping,
    item_types,
    keys_of,
    tag_of,
)

TESTS = Path(__file__).parents[1]
ASSETS = "orchestrator/test_asset_settings.py::"
CHECKS = "orchestrator/test_checks.py::"
CLIENTS = "orchestrator/test_clients.py::"
DOCKER = "orchestrator/test_docker_client.py::"
EVENTS = "orchestrator/test_events.py::"
GROUPS = "orchestrator/test_grouping.py::"
JOBS = "orchestrator/test_jobs.py::"
K8S = "orchestrator/test_kubernetes_client.py::"
KINDS = "orchestrator/test_executors.py::"
LOGGERS = "orchestrator/test_loggers.py::"
OBSERVATION = "orchestrator/test_observation.py::"
PARTITIONS = "orchestrator/test_partitions.py::"
PARTITION_RUNS = "orchestrator/test_partition_runs.py::"
RETRIES = "orchestrator/test_group_retries.py::"
SSH = "orchestrator/test_ssh_client.py::"
SCHEDULES = "orchestrator/test_schedules.py::"
SENSORS = "orchestrator/test_sensors.py::"
WORKERS = "orchestrator/test_invocations.py::"

EXECUTORS = {
    f"{KINDS}test_kinds": "in_process multiprocess docker k8s_job celery celery_docker "
    "celery_k8s_job docker_executor k8s_job_executor celery_executor celery_docker_executor "
    "celery_k8s_job_executor celery_k8s",
    f"{KINDS}test_dask": "dask dask_executor",
}
LOGGER = {
    f"{LOGGERS}test_levels": "log_level",
    f"{LOGGERS}test_formatters_and_filters": "handlers formatters filters",
}
SCHEDULE = {
    f"{SCHEDULES}test_everything_that_a_schedule_says": "cron_schedule execution_timezone "
    "description default_status tags metadata",
    f"{SCHEDULES}test_partitions_of_a_loaded_schedule": "partition",
}
PARTITION = {f"{SCHEDULES}test_partitions_of_a_loaded_schedule": "key"}
RETRY = {
    f"{RETRIES}test_where_retries_are_said": "max_retries delay_s backoff jitter",
    f"{RETRIES}test_kinds": "on",
}
EFFECTS: dict[str, dict[str, str]] = {
    "": {
        f"{JOBS}test_jobs_of_pipelines": "pipeline_jobs",
        f"{KINDS}test_executor_of_what_names_none": "executor",
        f"{GROUPS}test_groups": "step_per memory_datasets",
        f"{RETRIES}test_not_started": "retries",
        f"{RETRIES}test_timeout": "timeout_s",
        f"{ASSETS}test_sensor_of_conditions": "automation_sensor",
        f"{CHECKS}test_freshness_sensor": "freshness_sensor",
        f"{WORKERS}test_what_the_file_says_of_all_workers": "on_drift",
        f"{WORKERS}test_run_hooks": "run_hooks blocked_plugins",
        "kedro_side/test_orchestration_file.py::test_old_options_of_kedro_dagster_are_told": "dev",
    },
    "jobs.*": {
        f"{JOBS}test_filters": "pipeline",
        f"{JOBS}test_what_dagster_shows": "description tags metadata",
        f"{KINDS}test_a_kind_without_options_needs_no_entry": "executor",
        f"{SCHEDULES}test_a_schedule_of_several_jobs_is_one_for_each": "schedule",
        f"{LOGGERS}test_a_line_of_a_node_reaches_a_file": "loggers",
        f"{JOBS}test_hooks": "hooks",
        f"{JOBS}test_retries": "retries",
        f"{PARTITIONS}test_job_partitions": "partitions",
        f"{JOBS}test_settings_take_effect_without_run_config": "env parameters log_level",
        f"{JOBS}test_settings_are_shown_in_the_launchpad": "load_versions only_missing_outputs "
        "max_concurrent client",
    },
    "jobs.*.pipeline": {
        f"{JOBS}test_filters": "pipeline_name pipeline_names node_names from_nodes to_nodes "
        "from_inputs to_outputs node_namespaces node_namespace tags",
    },
    "executor": EXECUTORS,
    "jobs.*.executor": EXECUTORS,
    "jobs.*.schedule": SCHEDULE,
    "jobs.*.schedule.partition": PARTITION,
    "jobs.*.loggers": {f"{LOGGERS}test_in_place": "log_level handlers formatters filters"},
    "jobs.*.retries": {f"{JOBS}test_retries": "step run run_strategy"},
    "jobs.*.retries.step": {
        f"{JOBS}test_retries": "max_retries delay_s backoff jitter",
        f"{JOBS}test_wrong_entries": "on",
    },
    "schedules.*": SCHEDULE,
    "schedules.*.partition": PARTITION,
    "executors.*": EXECUTORS,
    "loggers.*": LOGGER,
    "logs": {
        f"{WORKERS}test_what_is_logged": "level levels",
        f"{EVENTS}test_level_of_output": "output",
        f"{EVENTS}test_level_of_dataset_events": "datasets",
    },
    "clients.*": {
        f"{CLIENTS}test_the_timeout_of_a_client": "timeout_s",
        f"{CLIENTS}test_a_process_that_dagster_yml_describes": "type:subprocess python env "
        "pass_env grace_s messages",
        f"{CLIENTS}test_how_workers_are_started": "start",
        f"{CLIENTS}test_clients_by_name": "type:custom factory options",
        f"{SSH}test_every_setting_reaches_the_client": "type:ssh hosts max_per_host "
        "connect_timeout_s keep_alive_s ssh_config ssh_options",
        "manifest/test_preflight_hosts.py::test_what_is_shared": "shared_dirs",
        f"{DOCKER}test_every_setting_reaches_the_client": "type:docker image engine_url pull "
        "mounts ulimits networks user read_only init labels project_dir mount_project container_kwargs",
        f"{K8S}test_every_setting_reaches_the_client": "type:k8s namespace kubeconfig context "
        "image_pull_secrets service_account env_secrets env_config_maps lease_s "
        "requests_per_s",
    },
    "clients.*.pod": {
        f"{K8S}test_every_setting_reaches_the_client": "container_config pod_spec_config "
        "pod_template_spec_metadata"
    },
    "clients.*.limits": {
        f"{K8S}test_every_setting_reaches_the_client": "schedule_s pull_s start_s"
    },
    "clients.*.tls": {
        f"{DOCKER}test_every_setting_reaches_the_client": "ca_cert client_cert client_key"
    },
    "clients.*.registry": {
        f"{DOCKER}test_every_setting_reaches_the_client": "url username_env password_env"
    },
    "clients.*.resources": {
        f"{DOCKER}test_every_setting_reaches_the_client": "cpus memory shm_size gpus"
    },
    "clients.*.mounts": {
        f"{DOCKER}test_every_setting_reaches_the_client": "target source type read_only"
    },
    "clients.*.ulimits": {f"{DOCKER}test_every_setting_reaches_the_client": "name soft hard"},
    "clients.*.shared_messages": {f"{DOCKER}test_every_setting_reaches_the_client": "source here"},
    "clients.*.for": {f"{CLIENTS}test_whom_a_client_is_for": "nodes tags namespaces pipelines"},
    "concurrency": {
        f"{CLIENTS}test_max_concurrent": "max_concurrent",
        f"{CLIENTS}test_limited_tags": "tags",
        f"{CLIENTS}test_pool": "pool",
    },
    "retries": RETRY,
    "partitions.*": {
        f"{PARTITIONS}test_definitions": "type:hourly type:daily type:weekly type:monthly "
        "type:static type:dynamic start end key_format keys name datasets",
        f"{PARTITIONS}test_end_offset": "end_offset",
        f"{PARTITIONS}test_backfill_policy": "pipelines backfill",
        f"{PARTITION_RUNS}test_renamed_parameters": "timezone",
        f"{PARTITION_RUNS}test_partition_ids": "partition_ids",
        f"{PARTITION_RUNS}test_parameters_of_two_dimensions": "type:multi dimensions",
    },
    "partitions.*.parameters": {f"{PARTITION_RUNS}test_renamed_parameters": "key keys start end"},
    "sensors.*": {
        f"{SENSORS}test_everything_that_both_kinds_say": "type:files type:run_status job "
        "description default_status interval_s",
        f"{SENSORS}test_a_new_file_launches_the_job": "dataset tags",
        f"{SENSORS}test_one_run_for_all_that_is_new": "uri",
        f"{SENSORS}test_another_machine": "storage_options",
        f"{SENSORS}test_a_run_for_each_file": "each max_runs_per_tick",
        f"{SENSORS}test_the_file_is_a_parameter": "parameter",
        f"{SENSORS}test_each_file_is_a_partition": "partition",
        f"{SENSORS}test_files_that_are_being_written": "min_age_s",
        f"{SENSORS}test_the_status_that_is_waited_for": "after status",
        f"{SENSORS}test_a_job_follows_a_job": "tags",
    },
    "assets.*": {
        f"{ASSETS}test_everything_that_can_be_said": "owners group_name tags kinds description "
        "metadata automation",
    },
    "assets.*.freshness": {
        f"{ASSETS}test_everything_that_can_be_said": "fail_after_s warn_after_s",
        f"{ASSETS}test_deadlines": "deadline_cron lower_bound_s timezone",
    },
    "assets.*.automation": {f"{ASSETS}test_conditions": "on_cron timezone"},
    "checks.*": {
        f"{CHECKS}test_not_empty": "not_empty",
        f"{CHECKS}test_reported": "reported",
    },
    "checks.*.fresh": {
        f"{CHECKS}test_fresh": "within_s deadline_cron timezone on_failure",
    },
    "checks.*.reported.*": {f"{CHECKS}test_reported": "blocking description"},
    "code_references": {"orchestrator/test_translator.py::test_code_in_a_repository": "url"},
    "observation": {
        f"{OBSERVATION}test_what_is_observed": "datasets",
        f"{OBSERVATION}test_versions_by_content": "version_by",
        f"{OBSERVATION}test_schedule": "cron_schedule execution_timezone default_status",
        f"{OBSERVATION}test_storage_options": "storage_options",
    },
    "reporting": {f"{WORKERS}test_reporting": "metadata previews data_versions"},
    "grouping": {
        f"{GROUPS}test_groups": "strategy tag_prefix",
        f"{GROUPS}test_groups_that_wait_for_each_other": "on_cycle",
    },
    "groups.*": {
        f"{GROUPS}test_groups": "nodes tags namespaces pipelines",
        f"{CLIENTS}test_clients_by_name": "client",
        f"{CLIENTS}test_variables_of_the_group_and_of_the_run": "env",
        f"{CLIENTS}test_containers_of_a_group": "image",
        f"{RETRIES}test_timeout": "timeout_s",
        "bridge/test_group_retries.py::test_the_rest_of_a_group": "retries",
        f"{WORKERS}test_runner_of_a_group": "runner is_async",
    },
    "groups.*.pod": {
        f"{K8S}test_a_group_goes_into_its_client": "container_config pod_spec_config "
        "pod_template_spec_metadata"
    },
    "groups.*.resources": {f"{CLIENTS}test_containers_of_a_group": "cpus memory shm_size gpus"},
    "groups.*.retries": {
        f"{RETRIES}test_where_retries_are_said": "max_retries delay_s backoff jitter on"
    },
    "store": {f"{WORKERS}test_what_the_file_says_of_all_workers": "url backend"},
}
"""By where a key stands: the test that shows what it does, and the keys that it shows."""


def keys_under(annotation: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where each key stands that has a value of its own, and each `type`."""
    for each in alternatives(annotation):
        if is_struct(each):
            if tag := tag_of(each):
                yield (*place, f"{tag[0]}:{tag[1]}")
            for key, field in keys_of(each).items():
                if not all(map(is_room, alternatives(field.type))):
                    yield (*place, key)
                yield from keys_under(field.type, (*place, key))
        elif is_mapping(each):
            names = choices(alternatives(get_args(each)[0]))
            yield from ((*place, name) for name in names)
            if not names:
                yield from keys_under(get_args(each)[1], (*place, "*"))
        elif is_list(each):
            for inner in item_types(each):
                yield from keys_under(inner, place)


def is_room(annotation: Any) -> bool:
    """Tell whether a type says nothing itself, but holds keys that do."""
    if is_mapping(annotation):
        has_names = choices(alternatives(get_args(annotation)[0]))
        return bool(has_names) or all(map(is_room, item_types(annotation)))
    return annotation is NoneType or is_struct(annotation)


def test_every_key_has_a_test():
    """What the types allow is what the table holds, each key once or more."""
    there = {".".join(place) for place in keys_under(Orchestration)}
    shown = {
        f"{room}.{key}".removeprefix(".")
        for room, tests in EFFECTS.items()
        for keys in tests.values()
        for key in keys.split()
    }

    assert [] == sorted(there - shown), "keys without a test of their effect"
    assert [] == sorted(shown - there), "keys that are not there"


@pytest.mark.parametrize("test", sorted({test for tests in EFFECTS.values() for test in tests}))
def test_the_tests_are_there(test):
    """Each named test exists, and its module speaks of the keys that it is said to show."""
    module, name = test.split("::")
    source = (TESTS / module).read_text(encoding="utf-8")
    defined = {each.name for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)}
    keys = {
        key.rpartition(":")[2] for tests in EFFECTS.values() for key in tests.get(test, "").split()
    }

    assert name in defined
    assert [] == sorted(key for key in keys if key not in source)
