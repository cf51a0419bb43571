"""What all commands have in common: help with examples, exit codes, colours, patience, completion."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import click
import pytest
from click.testing import CliRunner
from kedro_pipes.cli import pipes
from kedro_pipes.commands.sweeping import Row, sweep_and_tell

PIPES = [sys.executable, "-m", "kedro_pipes"]


def walk(command, path=()):
    """Yield every command that does something, with the words that call it."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from walk(inner, (*path, name))
    else:
        yield path, command


COMMANDS = dict(walk(pipes))


@pytest.fixture
def at_a_terminal():
    """Run a command as at a terminal; return all that it shows."""

    def run(folder, *arguments, **environment):
        ours, theirs = pty.openpty()
        variables = {**os.environ, "TERM": "xterm", "KEDRO_DISABLE_TELEMETRY": "1", **environment}
        with subprocess.Popen(
            [*PIPES, *arguments], cwd=folder, env=variables, stdout=theirs, stderr=theirs
        ):
            os.close(theirs)
            shown = b""
            with suppress(OSError):  # its end, where the other side is gone
                while part := os.read(ours, 65536):
                    shown += part
        os.close(ours)
        return shown.decode()

    return run


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_teaches(path):
    """There is an example to copy, of this very command, and every option says what it does."""
    command = COMMANDS[path]
    shown = CliRunner().invoke(pipes, [*path, "--help"]).output

    assert "Examples:" in shown
    assert f"pipes {' '.join(path)}" in shown.partition("Examples:")[2]
    assert [] == [
        each.name for each in command.params if isinstance(each, click.Option) and not each.help
    ]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_wrong_options_end_with_2(path):
    """Nothing is done, and nothing but the usage is told."""
    result = CliRunner().invoke(pipes, [*path, "--no-such-option"])

    assert 2 == result.exit_code
    assert result.output.startswith("Usage: ")
    assert "No such option" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["export"],
        ["init"],
        ["plan"],
        ["check"],
        ["doctor"],
        ["profile", "x"],
        ["docker", "init"],
        ["schema", "-o", "no/such/folder"],
        ["docker", "sweep", "--engine-url=tcp://127.0.0.1:1"],
        ["k8s", "sweep", "--kubeconfig=no-such-file"],
    ],
    ids=" ".join,
)
def test_errors_end_with_1(arguments, tmp_path, run_command):
    """No project, no folder, nobody who answers: one line for a person, and no traceback."""
    result = run_command([*PIPES, *arguments], tmp_path)

    assert 1 == result.returncode
    assert "Traceback" not in result.stderr
    assert result.stderr or result.stdout


def test_every_command_that_a_machine_reads_has_json():
    """Those that only write files have none; `export` and `schema` write JSON anyway."""
    without = {path for path, each in COMMANDS.items() if "as_json" not in _names(each)}

    assert {("export",), ("init",), ("schema",), ("docker", "init")} == without


def _names(command):
    return {each.name for each in command.params}


def test_sweeps_for_a_program():
    """A row for each leftover, and why those stay that do."""
    row = Row(name="a", group="g", step="s", run="r", state="running 3h")

    @click.command()
    @click.pass_context
    def sweep(context):
        sweep_and_tell(
            context,
            lambda _: [row.kept("runs")],
            nothing="",
            run="",
            older_than=timedelta(),
            running=False,
            as_json=True,
        )

    report = json.loads(CliRunner().invoke(sweep).stdout)

    assert "1.0" == report["version"]
    assert ("a", "kept") == (report["rows"][0]["name"], report["rows"][0]["outcome"])


def test_colours_are_for_terminals(spaceport, at_a_terminal, run_command):
    """And not for those where NO_COLOR is set."""
    plain = run_command([*PIPES, "check"], spaceport).stdout
    coloured = at_a_terminal(spaceport, "check")
    uncoloured = at_a_terminal(spaceport, "check", NO_COLOR="1")

    assert "\x1b[" not in plain
    assert "\x1b[33mwarning" in coloured
    assert "\x1b[33m" not in uncoloured
    assert "warning" in uncoloured


def test_who_waits_is_told_what_for(spaceport, at_a_terminal, run_command):
    """After two seconds, at a terminal only."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text(f"import time\ntime.sleep(3)\n{registry.read_text()}")

    assert "Loading the project … 2 s\x1b[K\r" in at_a_terminal(spaceport, "export")
    assert "Loading" not in run_command([*PIPES, "export"], spaceport).stderr


COMPLETED = {
    "pipes pro": ["profile"],
    "pipes profile north": ["north.fit", "north.select"],
    "pipes export --pipeline in": ["ingestion"],
    "pipes plan --nodes north.fit,sp": ["north.fit,split_by_origin"],
    "pipes check --env clo": ["cloud"],
}


@pytest.mark.parametrize("words", COMPLETED)
def test_completion(words, spaceport, kedro, run_command, try_export):
    """`kedro` completes commands by itself, and names from the manifest, if there is one."""
    asked = {
        "_KEDRO_COMPLETE": "bash_complete",
        "COMP_WORDS": f"kedro {words}",
        "COMP_CWORD": str(words.count(" ") + 1),
    }
    without = run_command([kedro], spaceport, **asked)
    try_export(spaceport)
    result = run_command([kedro], spaceport, **asked)

    found = [line[6:] for line in result.stdout.splitlines() if line.startswith("plain,")]
    assert COMPLETED[words] == found
    assert (0, 0) == (without.returncode, result.returncode)
    assert "Traceback" not in without.stderr + result.stderr
