import json

import pytest
from dagster_kedro import KedroSubprocessClient

LEVELS = ["run", "group", "client"]
"""The strongest first; each sets a variable less than the next."""


@pytest.fixture
def seen(copy_of, run_job, read_json):
    """Return the variables that a node sees under a client."""

    def variables_of(**client):
        folder = copy_of("relay")
        run = run_job(folder, "environment", client=KedroSubprocessClient(**client))
        assert run.success, run.errors
        return read_json(folder, "environment")

    return variables_of


def test_secrets_stay(seen, monkeypatch):
    """The orchestrator's secrets do not reach a worker; what every program needs does."""
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/the/orchestrator")
    monkeypatch.setenv("KEDRO_ENV_HINT", "for Kedro")

    variables = seen()
    assert "secret" not in variables.values()
    assert "/the/orchestrator" not in variables["PYTHONPATH"]  # Kedro sets one of its own
    assert {"PATH", "HOME", "KEDRO_ENV_HINT"} <= variables.keys()


def test_what_the_user_names(seen, monkeypatch):
    """`pass_env` hands variables on, by pattern; `env` sets them."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("WAREHOUSE_URL", "db")
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "secret")

    variables = seen(pass_env=["AWS_*", "WAREHOUSE_URL"], env={"OMP_NUM_THREADS": "1"})
    assert (
        variables["AWS_REGION"],
        variables["WAREHOUSE_URL"],
        variables["OMP_NUM_THREADS"],
    ) == ("eu-west-1", "db", "1")
    assert "WAREHOUSE_PASSWORD" not in variables


def test_no_telemetry(seen, monkeypatch):
    """Workers tell plugins to send nothing, unless the user wants it."""
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.delenv("KEDRO_DISABLE_TELEMETRY", raising=False)

    assert seen()["KEDRO_DISABLE_TELEMETRY"] == "1"
    assert "KEDRO_DISABLE_TELEMETRY" not in seen(env={"KEDRO_PIPES_TELEMETRY": "1"})


def test_variables_by_client_group_and_run(copy_of, export, run_job, read_json):
    """A run's variables go before its group's, those before the client's of dagster.yml."""
    folder = copy_of("relay")
    levels = {name: dict.fromkeys("ABC"[:count], name) for count, name in enumerate(LEVELS, 1)}
    content = {
        "clients": {"ours": {"type": "subprocess", "env": levels["client"]}},
        "groups": {"it": {"nodes": ["look_around"], "client": "ours", "env": levels["group"]}},
    }
    (folder / "conf/base/dagster.yml").write_text(json.dumps(content))
    export(folder)
    run = run_job(folder, "environment", worker={"env": levels["run"]})
    variables = read_json(folder, "environment")

    assert run.success, run.errors
    assert ["run", "group", "client"] == [variables[name] for name in "ABC"]
