"""Kedro's names against real Dagster: whatever a name is, its asset, job and group load."""

import dagster as dg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kedro_manifest.names import RESERVED, asset_key_parts, dagster_name, group_name

PIECES = st.one_of(
    st.sampled_from([*sorted(RESERVED), "a", "b", "U_2e_U", "U_g_U", "self", "__default__"]),
    st.sampled_from(list("abU09_.-: /[](),#ü数\u0301\"'\\\n")),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@"), min_size=1),
)
KEDRO_NAMES = st.lists(PIECES, min_size=1, max_size=5).map("".join)
SETS = st.sets(KEDRO_NAMES, min_size=1, max_size=6)
COLLIDING = {"a.b", "a-b", "a_b", "a__b", "[a,b]", "a b", "a/b", "a:b"}

real_dagster = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@real_dagster
@given(SETS)
@example(COLLIDING)
@example(set(RESERVED))
@example({"a", "a.", ".a", ".", "..", "_", "__", "a_", "_a"})
def test_asset_keys(names):
    """Any distinct names make a multi-asset that loads, with an output for each name."""
    specs = [dg.AssetSpec(dg.AssetKey(asset_key_parts(name))) for name in names]

    @dg.multi_asset(name="everything", specs=specs, can_subset=True)
    def everything():
        yield from ()

    dg.Definitions.validate_loadable(dg.Definitions(assets=[everything]))
    assert len(everything.keys) == len(names)
    assert len(everything.op.output_dict) == len(names)


@real_dagster
@given(SETS)
@example(COLLIDING)
@example(set(RESERVED) | {"__default__"})
def test_job_names(names):
    """Any distinct names make jobs that load, and stay distinct."""

    @dg.asset
    def one():
        pass

    jobs = [dg.define_asset_job(dagster_name(name), selection="*") for name in names]
    definitions = dg.Definitions(assets=[one], jobs=jobs)

    dg.Definitions.validate_loadable(definitions)
    assert len({job.name for job in jobs}) == len(names)


@real_dagster
@given(KEDRO_NAMES)
@example("a.b")
@example("in.lambda")
def test_group_names(name):
    """Any name makes a group that loads."""
    spec = dg.AssetSpec("one", group_name=group_name(name))

    dg.Definitions.validate_loadable(dg.Definitions(assets=[spec]))


def test_plain_names_stay():
    """Names as people write them are the same in Dagster."""
    assert asset_key_parts("model_input_table") == ["model_input_table"]
    assert asset_key_parts("active_modelling.regressor") == ["active_modelling", "regressor"]
    assert dagster_name("data_processing") == "data_processing"
    assert dagster_name("__default__") == "__default__"
    assert group_name("europe.sales") == "europe/sales"
