"""Every code block of the documentation is run or read by a test, or counted here with the reason."""

from collections import Counter
from fnmatch import fnmatch

from pages import REPOSITORY, read_blocks

RUN = [
    ("docs/tutorial/*", "console csv python text yaml", "tests/documentation/test_tutorial.py"),
    ("docs/reference/cli.md", "console mermaid yaml", "tests/documentation/test_example_pages.py"),
    ("docs/reference/worker.md", "console", "tests/documentation/test_example_pages.py"),
    ("docs/how-to/debug-a-worker.md", "console", "tests/documentation/test_example_pages.py"),
    ("docs/how-to/group-nodes.md", "console", "tests/documentation/test_example_pages.py"),
    ("docs/how-to/place-workers.md", "console", "tests/documentation/test_example_pages.py"),
    ("docs/how-to/migrate-from-kedro-dagster.md", "python yaml", "tests/bridge/test_migration.py"),
    ("docs/how-to/*", "yaml", "tests/kedro_side/test_how_to_pages.py"),
    ("docs/explanation/hooks.md", "yaml", "tests/kedro_side/test_how_to_pages.py"),
    ("docs/how-to/*", "python", "tests/bridge/test_documentation.py"),
    ("README.md", "python", "tests/bridge/test_documentation.py"),
    ("README.md", "yaml", "tests/bridge/test_documentation.py"),
]
"""Pages, languages, and the test that runs their blocks, or reads them as a project would."""

NOT_RUN = {
    "README.md": (2, "the tutorial has the same commands, with what they print"),
    "docs/examples/nyc_flights/README.md": (1, "`make demo` and `make environments` do this"),
    "docs/explanation/hooks.md": (1, "a message: tests/kedro_side/test_hook_registration.py"),
    "docs/explanation/performance.md": (4, "benchmarks, of minutes"),
    "docs/how-to/automate.md": (3, "messages: tests/orchestrator/test_sensors.py and others"),
    "docs/how-to/group-nodes.md": (
        4,
        "messages: tests/manifest/test_planning.py, test_grouping.py, and others",
    ),
    "docs/how-to/jobs-and-schedules.md": (1, "a message: tests/orchestrator/test_launchpad.py"),
    "docs/how-to/partition-data.md": (
        1,
        "the tutorial does the same; tests/bridge/test_partitions.py",
    ),
    "docs/how-to/place-workers.md": (1, "a message: tests/orchestrator/test_clients.py"),
    "docs/how-to/run-a-stack.md": (3, "need a Docker engine: tests/stack"),
    "docs/how-to/use-docker.md": (3, "need a Docker engine: tests/bridge/conformance, -m docker"),
    "docs/how-to/use-kubernetes.md": (7, "need a cluster: tests/chart; -m k8s"),
    "docs/how-to/use-other-clients.md": (3, "run inside of EMR and Lambda, need Slurm"),
    "docs/how-to/use-ssh.md": (3, "need SSH servers: tests/bridge, -m ssh"),
    "docs/how-to/use-the-component.md": (2, "needs a `dg` project: tests/bridge/test_component.py"),
    "docs/reference/cli.md": (
        6,
        "messages: tests/kedro_side/test_orchestration_file.py; times of `profile`; files in the home folder",
    ),
    "docs/reference/manifest.md": (1, "an entry: the schema and tests/kedro_side/test_export.py"),
    "docs/tutorial/2-dagster.md": (1, "a server: tests/bridge/dev"),
    "docs/tutorial/5-containers.md": (2, "need a Docker engine: tests/stack"),
}
"""How many blocks of a page no test runs as they stand, why, and which tests come nearest."""


def is_run(block, page):
    return block.reason is None and any(
        fnmatch(page, pages) and block.language in languages.split() for pages, languages, _ in RUN
    )


def test_every_block():
    """A new block needs a test, or a reason here."""
    documentation = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    names = {str(page.relative_to(REPOSITORY)): page for page in documentation}
    counted = Counter(
        name
        for name, page in names.items()
        for block in read_blocks(page)
        if not is_run(block, name)
    )

    assert {name: number for name, (number, _) in NOT_RUN.items()} == counted
    assert all((REPOSITORY / test).is_file() for *_, test in RUN)
