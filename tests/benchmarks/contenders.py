"""The ways to run a Kedro project under Dagster, or without it, that the comparison sets side by side.

Each prepares a project for itself and returns the whole command that a user would type. Knows nothing
of how commands are measured.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from measuring import run_silently
from workloads import write_definitions

PEER_DAGSTER_YML = """\
executors:
  chosen: {{{executor}}}
jobs:
  everything:
    pipeline: {{pipeline_name: __default__}}
    executor: chosen
"""
PEER_DEFINITIONS = """\
import dagster as dg
from kedro_dagster import KedroProjectTranslator

location = KedroProjectTranslator(env={env!r}).to_dagster()
defs = dg.Definitions(
    assets=list(location.named_assets.values()),
    resources=location.named_resources | {{"io_manager": dg.fs_io_manager}},
    jobs=list(location.named_jobs.values()),
    loggers={{"console": dg.colored_console_logger}},
)
"""
STOCK_DEFINITIONS = '''\
"""An asset for each node, which Dagster's own Pipes client runs with `kedro run --nodes`."""

import json
from pathlib import Path

import dagster as dg
from kedro_manifest.codec import read_manifest
from kedro_manifest.names import dagster_name

FOLDER = Path(__file__).parent
MANIFEST = read_manifest(FOLDER / "manifest.json")


def asset_of(node):
    keys = [dagster_name(name) for name in node.outputs]
    deps = [dagster_name(name) for name in node.inputs if not name.startswith("param")]

    @dg.multi_asset(
        name=dagster_name(node.name), specs=[dg.AssetSpec(key, deps=deps) for key in keys]
    )
    def run_node(context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient):
        command = [{kedro!r}, "run", "--nodes", node.name]
        pipes.run(command=command, context=context, cwd=str(FOLDER))
        yield from (dg.MaterializeResult(asset_key=key) for key in keys)

    return run_node


defs = dg.Definitions(
    assets=[asset_of(node) for node in MANIFEST.nodes],
    jobs=[dg.define_asset_job("everything", config={executor!r})],
    resources={{"pipes": dg.PipesSubprocessClient()}},
)
'''


ONE_ASSET_DEFINITIONS = """\
import dagster as dg


@dg.asset
def one(): ...


defs = dg.Definitions(assets=[one], jobs=[dg.define_asset_job("one_job")])
"""


class Tools(NamedTuple):
    """Interpreters of the environments that contenders run in."""

    kedro: Path
    """Kedro without Dagster."""
    peers: Path
    """kedro-dagster, which needs both."""

    def in_kedro(self, name: str) -> str:
        """Return the path of a program beside Kedro's interpreter."""
        return str(self.kedro.with_name(name))

    def in_dagster(self, name: str) -> str:
        """Return the path of a program beside this interpreter, Dagster's without Kedro."""
        return str(Path(sys.executable).with_name(name))

    def in_peers(self, name: str) -> str:
        """Return the path of a program in the peers' environment."""
        return str(self.peers.with_name(name))


class Contender(NamedTuple):
    """One way to run all nodes of a project."""

    name: str
    """As the table names it."""
    is_isolated: bool
    """Whether each node has a process of its own."""
    prepare: Callable[[Path, Tools, str | None], list[str]]
    """Takes a project's folder, which it may write into, interpreters and Kedro's environment;
    returns the command line, to be run in the folder."""


def export_manifest(folder: Path, tools: Tools, env: str | None) -> None:
    """Write `manifest.json`, as a user does once for each version of the code."""
    command = [str(tools.kedro), "-m", "kedro_pipes", "export", "-o", "manifest.json"]
    run_silently([*command, *(["--env", env] if env else [])], folder)


def kedro_run(runner: str) -> Contender:
    """Return Kedro alone."""

    def prepare(_: Path, tools: Tools, env: str | None) -> list[str]:
        runs = [tools.in_kedro("kedro"), "run", f"--runner={runner}"]
        return [*runs, *([f"--env={env}"] if env else [])]

    name = "`kedro run`" if runner == "SequentialRunner" else f"`kedro run --runner={runner}`"
    return Contender(name, is_isolated=False, prepare=prepare)


def ours(
    start: str, name: str, *, settings: str = "", max_concurrent: int | None = None
) -> Contender:
    """Return this project's own way, with workers that are forked or start anew.

    Args:
        start: `warm` or `cold`.
        name: As the table names it.
        settings: The text of `dagster.yml`.
        max_concurrent: Workers at a time; None for one a core.
    """

    def prepare(folder: Path, tools: Tools, env: str | None) -> list[str]:
        if settings:
            (folder / "conf/base/dagster.yml").write_text(settings)
        export_manifest(folder, tools, env)
        file = folder / "definitions.py"
        write_definitions(
            file,
            tools.kedro,
            env=env,
            start="warm" if start == "warm" else "cold",
            max_concurrent=max_concurrent,
        )
        return [tools.in_dagster("dagster"), "job", "execute", "-f", file.name, "-j", "__default__"]

    return Contender(name, is_isolated=True, prepare=prepare)


def kedro_dagster(executor: str, label: str) -> Contender:
    """Return kedro-dagster with one of its executors."""

    def prepare(folder: Path, tools: Tools, env: str | None) -> list[str]:
        env = env or "local"
        (folder / "conf" / env / "dagster.yml").write_text(
            PEER_DAGSTER_YML.format(executor=executor)
        )
        (folder / "peer.py").write_text(PEER_DEFINITIONS.format(env=env))
        job = f"{env}__everything"
        return [tools.in_peers("dagster"), "job", "execute", "-f", "peer.py", "-j", job]

    is_isolated = "multiprocess" in executor
    return Contender(f"kedro-dagster, {label}", is_isolated=is_isolated, prepare=prepare)


def stock_pipes() -> Contender:
    """Return Dagster's own Pipes client, a `kedro run --nodes` for each asset."""

    def prepare(folder: Path, tools: Tools, env: str | None) -> list[str]:
        export_manifest(folder, tools, env)
        executor = {"execution": {"config": {"multiprocess": {"max_concurrent": os.cpu_count()}}}}
        text = STOCK_DEFINITIONS.format(kedro=tools.in_kedro("kedro"), executor=executor)
        (folder / "stock.py").write_text(text)
        return [tools.in_dagster("dagster"), "job", "execute", "-f", "stock.py", "-j", "everything"]

    return Contender("stock Pipes, `kedro run --nodes`", is_isolated=True, prepare=prepare)


def one_asset(folder: Path, tools: Tools, _: str | None) -> list[str]:
    """Prepare the least that Dagster can run."""
    (folder / "one_asset.py").write_text(ONE_ASSET_DEFINITIONS)
    return [tools.in_dagster("dagster"), "job", "execute", "-f", "one_asset.py", "-j", "one_job"]


FORKED = ours("warm", "**ours**, forked")
COLD = ours("cold", "**ours**, started anew")
KEDRO = kedro_run("SequentialRunner")
PARALLEL = kedro_run("ParallelRunner")
IN_PROCESS = kedro_dagster("in_process: {}", "in_process")
MULTIPROCESS = kedro_dagster(f"multiprocess: {{max_concurrent: {os.cpu_count()}}}", "multiprocess")
STOCK = stock_pipes()
ONE_ASSET = Contender("a job of one trivial asset", is_isolated=False, prepare=one_asset)
