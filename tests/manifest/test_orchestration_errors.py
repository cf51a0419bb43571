"""Wrong files: what a user reads names the place, what is expected, and the nearest key."""

from typing import Annotated

import jsonschema
import msgspec
import pytest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.diagnosis import diagnose
from kedro_manifest.orchestration.root import Orchestration, read_orchestration
from kedro_manifest.orchestration.schema import dagster_yml_schema

WRONG = [
    # Keys.
    ({"grp": 1}, "dagster.yml: grp: there is no such key. Did you mean 'groups'?"),
    (
        {"jobs": {"a": {}, "n": {"pipelin": "x"}}},
        "jobs.n.pipelin: there is no such key. Did you mean",
    ),
    (
        {"jobs": {"n": {"retries": {"step": {"max_retrys": 1}}}}},
        "jobs.n.retries.step.max_retrys: there is no such key. Did you mean 'max_retries'?",
    ),
    (
        {"jobs": {"n": {"schedule": {"cron": "0 3 * * *"}}}},
        "jobs.n.schedule.cron: there is no such key. Did you mean 'cron_schedule'?",
    ),
    (
        {"jobs": {"n": {"executor": {"multiproces": {}}}}},
        "jobs.n.executor.multiproces: there is no such key. Did you mean 'multiprocess'",
    ),
    (
        {"jobs": {"n": {"loggers": ["a", {"log_levl": "INFO"}]}}},
        "jobs.n.loggers.1.log_levl: there is no such key. Did you mean 'log_level'?",
    ),
    ({"schedules": {"n": {}}}, "schedules.n: `cron_schedule` is missing."),
    # Kinds.
    (
        {"clients": {"d": {"type": "subproces"}}},
        "clients.d.type: expected 'subprocess'",
    ),
    ({"clients": {"d": {}}}, "clients.d: `type` is missing. Choose from 'custom', "),
    ({"sensors": {"s": {"type": "files"}}}, "sensors.s: `job` is missing."),
    ({"sensors": {"s": {"type": ["files"]}}}, "sensors.s.type: expected 'files' or 'run_status'"),
    ({"partitions": {"p": {"type": "weekley"}}}, "got 'weekley'. Did you mean 'weekly'?"),
    # Words of which one is to be chosen.
    ({"memory_datasets": {"x": "stag"}}, "memory_datasets.x: expected 'group' or 'stage', got 'st"),
    ({"memory_datasets": "stag"}, "expected 'group', 'stage' or a mapping, got 'stag'. Did you"),
    ({"retries": {"on": ["node", "nod"]}}, "retries.on.1: expected 'node', "),
    # Values of a wrong kind.
    (
        {"jobs": {"n": {"pipeline": {"tags": ["a", 3]}}}},
        "jobs.n.pipeline.tags.1: expected text, got the number 3. Put it in quotes.",
    ),
    (
        {"partitions": {"p": {"type": "static", "keys": [False, "se"]}}},
        "partitions.p.keys.0: expected text, got false. Put it in quotes: YAML reads yes, no,",
    ),
    ({"groups": {"g": {"env": {"THREADS": 4}}}}, "groups.g.env.THREADS: expected text, got the nu"),
    ({"groups": {"g": {"nodes": "a"}}}, "groups.g.nodes: expected a list, got text. Put it in bra"),
    ({"groups": {"g": {"nodes": {"a": 1}}}}, "groups.g.nodes: expected a list, got a mapping."),
    ({"timeout_s": "5m"}, "got text. Give seconds."),
    ({"timeout_s": "300"}, "got text. Take it out of its quotes."),
    ({"concurrency": 4}, "got the number 4. Its keys are 'max_concurrent', 'pool', 'tags'."),
    ({"jobs": ["nightly"]}, "jobs: expected a mapping, got a list. Put `name: …` where `- …`"),
    ({"jobs": {"nightly": None}}, "jobs.nightly: expected a mapping, got nothing. Write something"),
    ({"executors": {"e": "multiprocess"}}, "executors.e: expected a mapping, got text. Put `name:"),
    (["jobs"], "Cannot use dagster.yml: expected a mapping, got a list."),
]


@pytest.mark.parametrize(("raw", "told"), WRONG, ids=lambda each: str(each)[:50])
def test_wrong_files_are_explained(raw, told):
    """Whatever is wrong, the error has the place, what is expected, what is there, and a cure."""
    with pytest.raises(OrchestrationError) as caught:
        read_orchestration(raw)

    assert told in str(caught.value)
    assert str(caught.value).endswith("Mend the entry, and export again.")


@pytest.mark.parametrize("raw", [raw for raw, _ in WRONG], ids=lambda each: str(each)[:50])
def test_editors_see_the_same(raw):
    """What the types refuse is marked by an editor while it is written."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw, dagster_yml_schema())


class Limited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    retries: Annotated[int, msgspec.Meta(ge=0)] | Orchestration | None = None


def test_limits_are_told_and_nothing_else():
    """Of a number that is too small nobody wants to know what a mapping could hold."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"retries": -1}, Limited)
    found = diagnose(caught.value, {"retries": -1}, Limited)

    assert "retries" == found.place
    assert "at least 0" in found.message
    assert "got the number -1" in found.message
    assert not found.hint


def test_text_that_may_be_anything_is_not_quoted():
    """A value in a wrong place may be a password."""
    with pytest.raises(OrchestrationError) as caught:
        read_orchestration({"concurrency": {"max_concurrent": "correct-horse"}})

    assert "correct-horse" not in str(caught.value)


@pytest.mark.parametrize("room", Orchestration.__struct_fields__)
def test_an_empty_room_counts_as_not_there(room):
    """`jobs:` is left over when all of its entries are commented out."""
    assert Orchestration() == read_orchestration({room: None})


def test_empty_entries_deeper_down_count_as_not_there():
    """Wherever something may be left out it may be empty, and a null that means something stays."""
    job = {"pipeline": {"pipeline_name": "a", "tags": None}, "parameters": {"seed": None}}
    sparse = {"jobs": {"n": {**job, "loggers": None}}, "schedules": None}
    partitioned = {"p": {"type": "static", "keys": ["a"], "partition_ids": {"x": None}}}

    found = read_orchestration({**sparse, "partitions": partitioned})

    assert ([], [], {"seed": None}) == (
        found.jobs["n"].pipeline.tags,
        found.jobs["n"].loggers,
        found.jobs["n"].parameters,
    )
    assert {"x": None} == found.partitions["p"].partition_ids
