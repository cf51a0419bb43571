import pytest


@pytest.fixture(scope="module")
def logs(copy_of, run_job):
    """A run of the node that logs, with what it wrote to its streams."""
    run = run_job(copy_of("relay"), "logging")
    assert run.success, run.errors
    return run


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("INFO", "[log] relay.nodes: a step"),
        ("ERROR", "[log] some.library: not good"),
    ],
)
def test_level_logger_and_node(logs, level, text):
    """A record reaches Dagster's log at its level, with its logger and node."""
    assert (level, text) in logs.logged


def test_traceback(logs):
    """A record's traceback comes with it."""
    ((level, text),) = [entry for entry in logs.logged if "a problem" in entry[1]]

    assert level == "WARNING"
    assert text.startswith("[log] relay.nodes: a problem\nTraceback (most recent call last):")
    assert "KeyError: 'lost key'" in text


def test_warnings(logs):
    """What `warnings.warn` says is logged as a warning."""
    ((level, text),) = [entry for entry in logs.logged if "an old habit" in entry[1]]

    assert level == "WARNING"
    assert "py.warnings" in text


def test_below_the_level(logs):
    """What is below the configured level stays away."""
    assert not any("a detail" in text for _, text in logs.logged)


def test_chosen_level(copy_of, run_job):
    """`log_level` of the resource chooses what reaches Dagster."""
    run = run_job(copy_of("relay"), "logging", log_level="warning")

    from_nodes = [level for level, text in run.logged if text.startswith("[log] relay.nodes")]
    assert from_nodes == ["WARNING"]


def test_printed_lines(copy_of, run_job, capfd):
    """What a node prints reaches the step's output, which Dagster keeps, with the group's name."""
    run_job(copy_of("relay"), "logging")

    assert "[log] a printed line\n" in capfd.readouterr().out


def test_progress(logs):
    """Start and end of each node are told, with its times."""
    texts = [text for _, text in logs.logged]

    assert "[log] started." in texts
    assert any(text.startswith("[log] finished in ") for text in texts)
