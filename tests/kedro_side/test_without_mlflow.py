"""What a worker makes of an MLflow run where the project has no kedro-mlflow: nothing."""

RUN = {"root_run_id": "4711", "name": "scaling"}


def test_nodes_are_run(work):
    """Nodes run as ever, and nothing is said of MLflow."""
    code, reported = work(
        "scaling", "scale_before", mlflow=RUN, dataset_assets={"before": "before"}
    )

    assert 0 == code
    (saved,) = [each for each in reported if each["event"] == "Materialization"]
    assert not [name for name in saved["metadata"] if name.startswith("mlflow")]
    assert "MlflowRunStarted" not in {each["event"] for each in reported}


def test_there_is_no_run_to_end(work):
    """To end a run that nobody has made is no failure."""
    end = {"status": "FINISHED", "unfinished": "FAILED"}
    code, reported = work("scaling", mlflow=RUN, mlflow_end=end)

    assert 0 == code
    assert ["WorkerStarted"] == [each["event"] for each in reported]
