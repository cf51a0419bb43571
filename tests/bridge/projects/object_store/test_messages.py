"""Our worker under Dagster's own client, with context and messages in a bucket."""

import pytest

pytestmark = pytest.mark.s3


def test_reports_through_a_bucket(server, run_with_stock_client, begin):
    """With what dagster-aws has for it, the asset is materialized with our metadata."""
    boto3 = pytest.importorskip("boto3", reason="`make environments` installs dagster-aws")
    pipes = pytest.importorskip("dagster_aws.pipes", reason="`make environments` installs it")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    s3 = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **keys)
    variables = {name.upper(): value for name, value in keys.items()}
    server.ask("PUT", "messages")

    run = run_with_stock_client(
        begin,
        env={"AWS_ENDPOINT_URL": server.url, **variables},
        context_injector=pipes.PipesS3ContextInjector(bucket="messages", client=s3),
        message_reader=pipes.PipesS3MessageReader(bucket="messages", client=s3, interval=1),
    )

    assert run.success, run.errors
    assert "begin" == run.materializations["early"]["kedro/node"]
    assert "1.json" in {key.rpartition("/")[2] for key in server.keys("messages")}
