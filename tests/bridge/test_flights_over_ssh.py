"""The example with its two models on two hosts, as docs/how-to/use-ssh.md has it."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.ssh

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "docs/examples/nyc_flights"
IGNORED = shutil.ignore_patterns("__pycache__", ".kedro-pipes", "manifest.json", "data")


@pytest.fixture(scope="module")
def flights(ssh_hosts, kedro_python, export, run_job, tmp_path_factory):
    """Run the example with the page's `dagster.yml`; only its paths are those of the test."""
    folder = tmp_path_factory.mktemp("ssh") / "flights"
    shutil.copytree(EXAMPLE, folder, ignore=IGNORED)
    (folder / "conf/local").mkdir(exist_ok=True)
    page = (REPOSITORY / "docs/how-to/use-ssh.md").read_text()
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[1])
    gpu = said["clients"]["gpu"]
    for name in gpu["hosts"]:
        ssh_hosts.get(name)
    gpu |= {
        "project_dir": str(folder),
        "shared_dirs": [str(folder)],
        "python": str(kedro_python),
        "ssh_config": str(ssh_hosts.config),
    }
    said["store"]["url"] = str(folder / "staging")
    (folder / "conf/base/dagster.yml").write_text(yaml.safe_dump(said))
    export(folder, "--env", "sample")
    return run_job(folder, "__default__", project_options={"env": "sample"})


def test_two_groups_on_two_hosts(flights):
    """Each model is made on a host of its own, everything else here."""
    made = flights.materializations
    hosts = {name: made[name].get("kedro/host") for name in made}
    models = {name for name in made if name.startswith(("boosting", "linear"))}

    assert flights.success, flights.errors
    assert {None} == {hosts[name] for name in made.keys() - models}
    of_models = {hosts[name] for name in models}
    assert {"gpu-1", "gpu-2"} == of_models
    assert all(
        1 == len({hosts[name] for name in models if name.startswith(model)})
        for model in ("boosting", "linear")
    )


def test_the_log_says_where(flights):
    """Who reads the run's log sees which host has which group."""
    said = [text for _, text in flights.logged if "Worker started" in text]

    for group in ("boosting", "linear"):
        assert any(
            re.search(rf"\[{group}\] Worker started: process \d+ on gpu-[12],", text)
            for text in said
        ), said
