"""`kedro pipes docker init`: what it writes fits together; images and stack are tests/stack's."""

from __future__ import annotations

import sys

import pytest
import yaml

INIT = [sys.executable, "-m", "kedro_pipes", "docker", "init"]
CHECK = [sys.executable, "-m", "kedro_pipes", "check", "--env", "docker"]
PASSWORD = "docker/secrets/postgres_password"


@pytest.fixture
def started(spaceport, run_command):
    """A project in which `docker init` has run, and what it has said."""
    (spaceport / "conf/base/dagster.yml").unlink()
    done = run_command(INIT, spaceport)
    assert done.returncode == 0, done.stderr
    return spaceport, done.stderr


def test_names_agree(started):
    """What dagster.yml names of images, networks and volumes is what Compose makes."""
    project, _ = started
    settings = dict(
        line.split("=")
        for line in (project / "docker/.env").read_text().splitlines()
        if "=" in line
    )
    name = settings["COMPOSE_PROJECT_NAME"]
    stack = yaml.safe_load((project / "docker/compose.yaml").read_text())
    client = yaml.safe_load((project / "conf/docker/dagster.yml").read_text())["clients"]["default"]
    mounted = {mount["source"] for mount in client["mounts"] if mount["type"] == "volume"}

    assert name == "spaceport"
    assert client["image"] == stack["services"]["worker"]["image"].replace(
        "${COMPOSE_PROJECT_NAME}", name
    )
    assert client["networks"] == [f"{name}_workers"]
    assert "workers" in stack["networks"]
    assert mounted == {f"{name}_data", f"{name}_staging"}
    assert {"data", "staging"} <= set(stack["volumes"])


def test_the_project_is_accepted(started, run_command):
    """The configuration that it writes has no error, as the stack's own check would find."""
    project, _ = started
    done = run_command(CHECK, project)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_password_is_kept_from_others(started, run_command):
    """It is made at random, for its owner only, out of Git and out of images; and kept."""
    project, _ = started
    password = (project / PASSWORD).read_text()
    run_command(INIT, project)

    assert len(password) > 20
    assert (project / PASSWORD).stat().st_mode & 0o077 == 0
    assert "secrets/" in (project / "docker/.gitignore").read_text()
    assert "docker/secrets" in (project / ".dockerignore").read_text().splitlines()
    assert (project / PASSWORD).read_text() == password


def test_it_says_what_to_do(started):
    """The commands to type next, in their order."""
    _, said = started
    steps = [
        said.index(f"docker compose -f docker/compose.yaml {step}") for step in ("build", "up")
    ]

    assert steps == sorted(steps)


def test_it_warns_of_libraries_that_nobody_has_written_down(spaceport, run_command):
    """The worker's image could not be made: it is said at once, with what to do."""
    (spaceport / "requirements.txt").unlink(missing_ok=True)
    done = run_command(INIT, spaceport)

    assert "Warning: There is no requirements.txt in ." in done.stderr


def test_a_name_that_docker_refuses(spaceport, run_command):
    """Nothing is written, and the letters that may be used are said."""
    done = run_command([*INIT, "--name", "My Project"], spaceport)

    assert done.returncode == 1
    assert "'My Project': expected lower-case letters, digits" in done.stderr
    assert not (spaceport / "docker").exists()
