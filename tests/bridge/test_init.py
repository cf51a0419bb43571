"""What `kedro pipes init` writes for the Dagster side loads there."""

import subprocess

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def started(copy_of, kedro_python, export):
    """A project as `init` leaves it, exported."""
    folder = copy_of("spaceport")
    command = [kedro_python, "-m", "kedro_pipes", "init", "--force"]
    subprocess.run(command, cwd=folder, check=True)
    export(folder)
    return folder


def with_examples(text: str) -> str:
    """Take the mark away from every example; explanations have two."""
    return "\n".join(
        line if line.startswith("##") else line.removeprefix("#").removeprefix(" ")
        for line in text.splitlines()
    )


def test_the_workspace_loads(started, dagster_command):
    """`dagster definitions validate -w workspace.yaml`, as `dagster dev` would open it."""
    done = dagster_command(started, "definitions", "validate", "-w", "workspace.yaml")

    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location spaceport" in done.stdout + done.stderr


def test_all_examples_load(started, dagster_command, export):
    """With every example of both files in use, and without naming the workspace."""
    orchestration, definitions = started / "conf/base/dagster.yml", started / "definitions.py"
    first, _, rest = orchestration.read_text().partition("\n")
    orchestration.write_text(f"{first}\n{with_examples(rest)}")
    used, mark, extended = definitions.read_text().partition("## ")
    definitions.write_text(f"{used}{mark}{with_examples(extended)}")
    export(started)

    done = dagster_command(started, "definitions", "validate")

    assert "\nclass Owned(" in definitions.read_text()
    assert done.returncode == 0, done.stderr
