"""Our worker under Dagster's own Pipes client: any Pipes client can launch it."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from kedro_manifest.invocation import encode_invocation


def test_reports_materializations(run_with_stock_client, begin):
    """The asset is materialized, with our metadata."""
    run = run_with_stock_client(begin)

    assert run.success, run.errors
    assert run.materializations["early"]["kedro/node"] == "begin"
    assert begin.kedro_run_id == run.materializations["early"]["kedro/run_id"]


def test_fails_the_step(run_with_stock_client, begin):
    """A failure fails the step there too: the exit code says it."""
    run = run_with_stock_client(msgspec.structs.replace(begin, protocol_version="99.0"))

    assert not run.success
    assert run.materialized == []


class Volume(dg.PipesMessageReader):
    """Reads chunks from a folder when the worker has ended, as those for Databricks' volumes do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def read_messages(self, handler):
        """Say where the messages go, and read them."""
        yield {"path": str(self._folder)}
        for file in sorted(self._folder.iterdir(), key=lambda each: int(each.stem)):
            for line in file.read_text().splitlines():
                handler.handle_message(json.loads(line))

    def no_messages_debug_text(self):
        """Say where there are none."""
        return "a folder"


class Arguments(dg.PipesClient):
    """Tells a program of its session on the command line, as those for Dataproc and Glue do."""

    def __init__(self, folder: Path, reader: dg.PipesMessageReader) -> None:
        self._folder = folder
        self._reader = reader

    def run(self, *, context, extras, command):
        """Run a command to its end."""
        injector = dg.PipesTempFileContextInjector()
        session = dg.open_pipes_session(context, injector, self._reader, extras=extras)
        with session as opened:
            told = [each for pair in opened.get_bootstrap_cli_arguments().items() for each in pair]
            subprocess.run([*command, *told], cwd=self._folder, check=True)
        return dg.PipesClientCompletedInvocation(opened)


@pytest.mark.parametrize("messages", ["file", "volume"])
def test_arguments_instead_of_variables(
    begin, copy_of, kedro_python, run_definitions, *, tmp_path, messages
):
    """A place that has no variables tells the worker all on its command line."""
    volume = tmp_path / "volume"
    volume.mkdir()
    reader = dg.PipesTempFileMessageReader() if messages == "file" else Volume(volume)
    client = Arguments(copy_of("relay"), reader)

    @dg.asset
    def early(context):
        command = [str(kedro_python), "-m", "kedro_pipes"]
        done = client.run(context=context, extras=encode_invocation(begin), command=command)
        return done.get_results()

    run = run_definitions(dg.Definitions([early], jobs=[dg.define_asset_job("stock")]), "stock")

    assert run.success, run.errors
    assert run.materializations["early"]["kedro/node"] == "begin"
