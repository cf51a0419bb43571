"""Bring the compose stack up with the example, materialize it, and show what runs where; or end it.

Run by `make stack` and `make stack-down`. Does what the documentation tells a user to do: writes
the files with `kedro pipes docker init`, starts them with Compose, and launches a run through
Dagster's GraphQL interface.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from dagster import DagsterRunStatus
from dagster_graphql import DagsterGraphQLClient
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs/examples/nyc_flights"
PROJECT = ROOT / ".build/stack/nyc_flights"
NAME = "nyc_flights"
PORT = 3000
COMPOSE_FILE = "docker/compose.yaml"
OURS = f"label=com.docker.compose.project={NAME}"
UP_S = 120
RUN_S = 900
POLL_S = 0.5
FINISHED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}
MATERIALIZED = """
query($run: ID!) { runOrError(runId: $run) { ... on Run {
  eventConnection { events { ... on MaterializationEvent { assetKey { path } } } }
} } }
"""


def main() -> int:
    """Do what the command line says; return 0 if the run succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--kedro-python", type=Path, help="interpreter with Kedro, for `up`")
    parser.add_argument("--compose", default="", help="its command; default: whichever is there")
    options = parser.parse_args()
    compose = options.compose.split() or find_compose()
    if options.action == "down":
        return take_down(compose)
    prepare_project(ROOT / options.kedro_python)
    step("Building the images, and starting the stack")
    began_s = time.monotonic()
    run([*compose, "-f", COMPOSE_FILE, "up", "--build", "--detach"], PROJECT)
    wait_for_webserver()
    print(f"The stack is up after {time.monotonic() - began_s:.0f} s: http://localhost:{PORT}")
    show_containers()
    step("Materializing the example, every group of nodes in a container of its own")
    succeeded = materialize()
    print(f"\nLook at it: http://localhost:{PORT}     End it: make stack-down")
    return 0 if succeeded else 1


def find_compose() -> list[str]:
    """Return the command for Compose: the plugin of version 2, or version 1.29.

    Exits with what to do if there is none.
    """
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and succeeds([*command, "version"]):
            return command
    sys.exit("Compose is needed: install the `docker compose` plugin, or docker-compose 1.29.")


def prepare_project(kedro_python: Path) -> None:
    """Lay the example out as a user's project, with this checkout's package beside it."""
    step(f"Writing the example and its stack to {PROJECT.relative_to(ROOT)}")
    password = PROJECT / "docker/secrets/postgres_password"
    # The database of a stack that was brought up before has this one.
    kept = password.read_text() if password.is_file() else None
    shutil.rmtree(PROJECT, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", "data", ".kedro-pipes", "manifest.json")
    shutil.copytree(EXAMPLE, PROJECT, ignore=left_out)
    wheels = str(PROJECT / "wheels")
    run([sys.executable, "-m", "build", "--wheel", "--outdir", wheels, str(ROOT)])
    run([str(kedro_python), "-W", "ignore", "-m", "kedro_pipes", "docker", "init"], PROJECT)
    if kept is not None:
        password.write_text(kept)


def run(command: list[str], folder: Path = ROOT) -> str:
    """Run a command, and return what it prints; exit with all that it said if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout}{done.stderr}"
        sys.exit(f"{said}\n`{' '.join(command)}` ended with {done.returncode}.")
    return done.stdout.strip()


@retry(
    stop=stop_after_delay(UP_S),
    wait=wait_fixed(POLL_S),
    retry=retry_if_exception_type(OSError),
    reraise=True,
)
def wait_for_webserver() -> None:
    """Wait until the web server answers."""
    urllib.request.urlopen(f"http://localhost:{PORT}/server_info", timeout=5).close()


def materialize() -> bool:
    """Launch the job of all assets, and show each container as it comes."""
    client = DagsterGraphQLClient("localhost", port_number=PORT)
    began_s = time.monotonic()
    run_id = client.submit_job_execution("__default__")
    seen: set[str] = set()
    while (status := client.get_run_status(run_id)) not in FINISHED:
        for line in containers():
            if line not in seen:
                seen.add(line)
                print(f"  {time.monotonic() - began_s:5.1f} s  {line}", flush=True)
        if time.monotonic() - began_s > RUN_S:
            sys.exit(f"The run has not ended after {RUN_S} s: it is {status.value}.")
        time.sleep(POLL_S)
    assets = materialized(client, run_id)
    print(
        f"\n{status.value}: {len(assets)} assets in {time.monotonic() - began_s:.0f} s, run {run_id}"
    )
    return status is DagsterRunStatus.SUCCESS


def materialized(client: DagsterGraphQLClient, run_id: str) -> list[str]:
    """Return the assets that a run has materialized."""
    answer: dict[str, Any] = client._execute(MATERIALIZED, {"run": run_id})  # noqa: SLF001
    events = answer["runOrError"]["eventConnection"]["events"]
    return ["/".join(event["assetKey"]["path"]) for event in events if event]


def containers() -> list[str]:
    """Return name and image of what runs now, besides the services of the stack."""
    of_runs = ["--filter", OURS, "--filter", "label=dagster/run_id"]
    return sorted(docker("ps", *of_runs, "--format", "{{.Names}}  {{.Image}}").splitlines())


def show_containers() -> None:
    """Show the services of the stack."""
    print(docker("ps", "--all", "--filter", OURS, "--format", "table {{.Names}}\t{{.Status}}"))


def take_down(compose: list[str]) -> int:
    """End the stack; remove its containers, volumes, networks and images. Return what is left."""
    command = [*compose, "-f", COMPOSE_FILE, "down", "--volumes", "--remove-orphans"]
    if PROJECT.is_dir():
        # A run that is going on may start one more container while Compose ends the others.
        subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
        if started := docker("ps", "--all", "--quiet", "--filter", OURS).split():
            docker("rm", "--force", "--volumes", *started)
        run(command, PROJECT)
    if images := docker("images", "--quiet", f"{NAME}-*").split():
        docker("rmi", "--force", *images)
    shutil.rmtree(PROJECT, ignore_errors=True)
    listings = {
        "containers": docker("ps", "--all", "--quiet", "--filter", OURS),
        "volumes": docker("volume", "ls", "--quiet", "--filter", OURS),
        "networks": docker("network", "ls", "--quiet", "--filter", OURS),
    }
    left = {kind: len(listing.split()) for kind, listing in listings.items()}
    print("Left: " + ", ".join(f"{count} {kind}" for kind, count in left.items()))
    return sum(left.values())


def docker(*arguments: str) -> str:
    """Return what a command of docker prints."""
    return run(["docker", *arguments])


def succeeds(command: list[str]) -> bool:
    """Tell whether a command can be run."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def step(text: str) -> None:
    """Say what is done next."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
