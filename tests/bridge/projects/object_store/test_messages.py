"""Our worker under Dagster's own client, with context and messages in a bucket."""

import dagster as dg
import pytest
from kedro_manifest.invocation import Invocation, encode_invocation

pytestmark = pytest.mark.s3

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
def run_through(server, copy_of, kedro_python, run_definitions):
    """Run an invocation as a user's asset does, with what dagster-aws has for a bucket."""
    boto3 = pytest.importorskip("boto3", reason="`make environments` installs dagster-aws")
    pipes = pytest.importorskip("dagster_aws.pipes", reason="`make environments` installs it")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    s3 = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **keys)
    variables = {
        "AWS_ENDPOINT_URL": server.url,
        **{name.upper(): value for name, value in keys.items()},
    }

    def run(bucket):
        folder = copy_of("relay")

        @dg.asset
        def early(context: dg.AssetExecutionContext):
            client = dg.PipesSubprocessClient(
                cwd=str(folder),
                env=variables,
                context_injector=pipes.PipesS3ContextInjector(bucket=bucket, client=s3),
                message_reader=pipes.PipesS3MessageReader(bucket=bucket, client=s3, interval=1),
            )
            command = [str(kedro_python), "-m", "kedro_pipes"]
            return client.run(
                command=command, context=context, extras=encode_invocation(INVOCATION)
            ).get_results()

        definitions = dg.Definitions(assets=[early], jobs=[dg.define_asset_job("stock")])
        return run_definitions(definitions, "stock")

    return run


def test_reports_through_a_bucket(run_through, server):
    """The asset is materialized with our metadata, and the messages were objects."""
    server.ask("PUT", "messages")
    run = run_through("messages")

    assert run.success, run.errors
    assert "begin" == run.materializations["early"]["kedro/node"]
    assert "1.json" in {key.rpartition("/")[2] for key in server.keys("messages")}
