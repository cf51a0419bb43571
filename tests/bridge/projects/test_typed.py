"""`typed`: parameters of every type, as pydantic and dataclass objects, in two environments."""

import json

import pytest


@pytest.fixture(scope="module")
def typed(run_both):
    """Both runs of the project, in its default environment."""
    return run_both("typed")


def test_outputs_are_equal(typed):
    """A node sees the same types and values: dates, integer keys, null, bytes, nested lists."""
    typed.assert_equal()


def test_objects_as_parameters(typed):
    """Type hints turn parameters into objects of the project's own, nested ones included."""
    fitted = json.loads((typed.by_dagster / "data/common/fitted.json").read_text())

    assert ["Model", 21, 1.5, "unnamed", 3] == fitted


def test_other_environment(run_both):
    """Another Kedro environment has parameters and places of its own."""
    both = run_both("typed", env="production", kedro_env="production")

    both.assert_equal()
    fitted = json.loads((both.by_dagster / "data/production/fitted.json").read_text())
    assert ["Model", 35, 1.5, "Größe", 5] == fitted


def test_staged_objects(run_both):
    """An object of the project's own crosses between two processes."""
    both = run_both("typed", env="staged")

    both.assert_equal()
    assert [] == both.staged


def test_parameters_of_the_launchpad(typed, copy_project, kedro_run, run_job):
    """Parameters from Dagster are merged and typed as `kedro run --params` does it."""
    by_kedro = copy_project("typed")
    kedro_run(by_kedro, "--params=model.search.depth=4,window.label=one,nothing=2")
    run = run_job(
        typed.by_dagster,
        "__default__",
        parameters={"model": {"search": {"depth": 4}}, "window": {"label": "one"}, "nothing": 2},
    )

    assert run.success, run.errors
    for name in ("all", "fitted", "some", "unpacked"):
        file = f"data/common/{name}.json"
        expected, actual = (folder / file for folder in (by_kedro, typed.by_dagster))
        assert json.loads(expected.read_text()) == json.loads(actual.read_text())
