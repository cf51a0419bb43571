"""`kedro pipes doctor` with both environments as they are."""

import json
import subprocess
import sys

import pytest
import yaml


def test_both_sides(copy_of, kedro_python):
    """The interpreter that these tests run with is Dagster's; neither framework is on both sides."""
    folder = copy_of("relay")
    run = [kedro_python, "-m", "kedro_pipes"]
    subprocess.run([*run, "export"], cwd=folder, check=True, capture_output=True)
    command = [*run, "doctor", "--json", "--dagster-python", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)

    assert (0, []) == (done.returncode, report["findings"]), done.stderr
    seen = {each["part"]: each["found"] for each in report["seen"]}
    assert "kedro " in seen["worker"]
    assert "dagster " in seen["orchestrator"]


def test_the_entry_of_dagsters_side():
    """It tells Dagster and no Kedro, without importing anything of either."""
    command = [sys.executable, "-I", "-m", "kedro_manifest"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    assert "dagster" in told["packages"]
    assert "kedro" not in told["packages"]


@pytest.mark.ssh
def test_hosts(copy_of, kedro_python, ssh_hosts):
    """A host tells what is installed there by the way that workers are started; one is not there."""
    folder = copy_of("relay")
    host = ssh_hosts.get("gpu-1")
    client = {
        "type": "ssh",
        "hosts": [host.name, "nobody@127.0.0.1"],
        "ssh_config": str(ssh_hosts.config),
        "python": str(kedro_python),
    }
    (folder / "conf/base/dagster.yml").write_text(yaml.safe_dump({"clients": {"gpu": client}}))
    command = [kedro_python, "-m", "kedro_pipes", "doctor", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)

    seen = {each["part"]: each["found"] for each in report["seen"]}
    assert "kedro " in seen[f"client 'gpu', {host.name}"]
    assert "no answer" == seen["client 'gpu', nobody@127.0.0.1"]
    (finding,) = (each for each in report["findings"] if each["code"] == "client")
    assert "ssh nobody@127.0.0.1 true" in finding["cure"]
