"""The resource through which a step runs its nodes, and which is configured in the Launchpad.

Configuration stands here and not on the op, because Dagster may split an op around a foreign
asset, and the parts would not get the op's configuration. Annotations are not postponed here,
since Dagster's resource classes read them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
from pydantic import Field

from dagster_kedro.assets.index import index_of_step
from dagster_kedro.clients.base import KedroClient
from dagster_kedro.configuration.settings import RunSettings, read_worker
from dagster_kedro.running.programs import stream_program
from dagster_kedro.running.run import KedroRun
from dagster_kedro.running.telling import OnEvent


class KedroPipesResource(dg.ConfigurableResource[Any]):
    """Runs Kedro nodes out of process.

    Example:
        >>> KedroPipesResource(client=KedroSubprocessClient(), max_concurrent=4)
    """

    client: dg.ResourceDependency[KedroClient]
    env: str | None = Field(
        default=None, description="Kedro environment. Default: that of the manifest."
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Runtime parameters, nested; merged as by `kedro run --params`.",
    )
    load_versions: dict[str, str] = Field(
        default_factory=dict, description="Version to load, by dataset name."
    )
    only_missing_outputs: bool = Field(
        default=False,
        description="Run only nodes with an output that is not there yet, as `kedro run` does.",
    )
    max_concurrent: int | None = Field(
        default=None,
        description="Workers at a time; 0 for as many as there are processors. Default: what "
        "dagster.yml says, else 0.",
        ge=0,
    )
    client_name: str | None = Field(
        default=None, description="Which of the clients of dagster.yml runs the nodes."
    )
    worker: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of every worker, over those of its client: `python`, `env`, "
        "`image`, `resources`, `timeout_s`.",
    )
    log_level: str | None = Field(
        default=None,
        description="Lowest level of the nodes' log records that reach Dagster. Default: what "
        "dagster.yml says, else INFO.",
    )

    def run_program(
        self,
        context: dg.AssetExecutionContext,
        command: list[str],
        *,
        extras: dict[str, Any] | None = None,
        working_dir: str | None = None,
    ) -> Iterator[Any]:
        """Run any other program that speaks Dagster Pipes, under the same contract of success.

        Args:
            context: Of a step that materializes assets of any kind.
            command: The program and its arguments.
            extras: What the program is told besides the Pipes context.
            working_dir: Where it runs. Default: the working directory.

        Yields:
            What the program reports, while it runs.

        Raises:
            GroupFailedError: It failed, or did not report every selected asset.
        """
        overrides, timeout_s = read_worker(self.worker)
        return stream_program(
            context,
            self.client,
            command,
            extras or {},
            Path(working_dir or Path.cwd()),
            # A program brings its own interpreter.
            overrides=msgspec.structs.replace(overrides, python=None),
            timeout_s=timeout_s,
        )

    def run(
        self, context: dg.AssetExecutionContext, *, on_event: OnEvent | None = None
    ) -> KedroRun:
        """Return the step's selected assets, planned and ready to `stream()`.

        Args:
            context: Of the step.
            on_event: Is called with the context and each event of the workers, in order, while
                they run. What it raises is logged, and nothing else.

        Raises:
            UnknownNameError: The step is not one of `@kedro_assets`.
            OrchestrationError: There is no such client, or no such setting of workers.
        """
        overrides, timeout_s = read_worker(self.worker)
        settings = RunSettings(
            env=self.env,
            parameters=self.parameters,
            load_versions=self.load_versions,
            only_missing_outputs=self.only_missing_outputs,
            max_concurrent=self.max_concurrent,
            log_level=self.log_level.upper() if self.log_level else None,
            client_name=self.client_name,
            overrides=overrides,
            timeout_s=timeout_s,
        )
        return KedroRun(context, index_of_step(context), self.client, settings, on_event)
