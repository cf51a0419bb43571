"""Our worker under Dagster's own Pipes client: any Pipes client can launch it."""

import dagster as dg
import pytest
from kedro_manifest.invocation import Invocation, encode_invocation

INVOCATION = Invocation(
    group="begin",
    nodes=["begin"],
    pipelines=["streaming"],
    kedro_run_id="2026-11-01T00.00.00.000Z",
    dagster_run_id="not needed",
    package_name="relay",
    dataset_assets={"early": "early"},
)


@pytest.fixture
def run_with_stock_client(copy_of, kedro_python, run_definitions):
    """Run an invocation with `PipesSubprocessClient`, as an asset that a user might write."""

    def run(invocation):
        folder = copy_of("relay")

        @dg.asset
        def early(context: dg.AssetExecutionContext):
            return (
                dg.PipesSubprocessClient(cwd=str(folder))
                .run(
                    command=[str(kedro_python), "-m", "kedro_pipes"],
                    context=context,
                    extras=encode_invocation(invocation),
                )
                .get_results()
            )

        definitions = dg.Definitions(assets=[early], jobs=[dg.define_asset_job("stock")])
        return run_definitions(definitions, "stock")

    return run


def test_reports_materializations(run_with_stock_client):
    """The asset is materialized, with our metadata."""
    run = run_with_stock_client(INVOCATION)

    assert run.success, run.errors
    assert run.materializations["early"]["kedro/node"] == "begin"
    assert INVOCATION.kedro_run_id == run.materializations["early"]["kedro/run_id"]


def test_fails_the_step(run_with_stock_client):
    """A failure fails the step there too: the exit code says it."""
    run = run_with_stock_client(
        Invocation(
            **{
                **{name: getattr(INVOCATION, name) for name in INVOCATION.__struct_fields__},
                "protocol_version": "99.0",
            }
        )
    )

    assert not run.success
    assert run.materialized == []
