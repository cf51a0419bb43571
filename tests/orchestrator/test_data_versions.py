"""What Dagster keeps of data, code and inputs, of results and of facts that are none."""

import dagster as dg
import pytest
from dagster_kedro.results.data_versions import as_it_was, version_tags
from dagster_kedro.running.attempts import Finished, yield_again

OURS = ("dagster/code_version", "dagster/data_version", "dagster/input")


@pytest.fixture
def tags_of():
    """Materialize asset `b`, made of `a`, by a result or a fact; return what Dagster keeps of it."""
    instance = dg.DagsterInstance.ephemeral()

    def make(told, code_version="1"):
        @dg.multi_asset(
            specs=[dg.AssetSpec("a"), dg.AssetSpec("b", deps=["a"], code_version=code_version)],
            can_subset=True,
        )
        def both(context):
            if dg.AssetKey("a") in context.selected_asset_keys:
                yield dg.MaterializeResult("a", data_version=dg.DataVersion("of a"))
            yield told

        selected = ["a", "b"] if code_version == "1" else ["b"]
        dg.materialize([both], instance=instance, selection=selected)
        event = instance.get_latest_materialization_event(dg.AssetKey("b"))
        return event.asset_materialization

    return make


def ours(materialization):
    """Return the tags that say what something was made of."""
    return {name: tag for name, tag in materialization.tags.items() if name.startswith(OURS)}


def test_a_result(tags_of):
    """Dagster adds code and inputs to the version that the worker gives."""
    tags = tags_of(dg.MaterializeResult("b", data_version=dg.DataVersion("of b"))).tags

    assert ("1", "of b", "of a") == (
        tags["dagster/code_version"],
        tags["dagster/data_version"],
        tags["dagster/input_data_version/a"],
    )


@pytest.mark.parametrize("given", [dg.DataVersion("of b"), None])
def test_what_is_kept(tags_of, given):
    """A result for what was made before says by which code, and of what."""
    before = tags_of(dg.MaterializeResult("b", data_version=given))
    kept = Finished(metadata={}, made_of=as_it_was(before), run_id="1", in_this_run=False)
    after = tags_of(yield_again(dg.AssetKey("b"), kept), code_version="2")

    assert "1" == after.tags["dagster/code_version"]
    assert ours(before).items() <= ours(after).items()


def test_nothing_is_known():
    """What Dagster has never seen made is of the present code."""
    assert {} == as_it_was(None) == as_it_was(dg.AssetMaterialization("b"))


def test_a_fact():
    """A materialization that is no result has the version that it is given, if any."""
    tags = version_tags("of b")

    assert (
        dg.DataVersion("of b") == as_it_was(dg.AssetMaterialization("b", tags=tags))["data_version"]
    )
    assert {} == version_tags(None)
