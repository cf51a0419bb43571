"""A worker without Kedro: reports every output of its invocation as saved, through our channel."""

import os
import socket

from dagster_pipes import PipesContext, PipesDefaultContextLoader, PipesEnvVarParamsLoader
from kedro_manifest.invocation import decode_invocation
from kedro_pipes.worker.channel import NumberedMessageWriter

if __name__ == "__main__":
    writer = NumberedMessageWriter()
    with PipesContext(PipesEnvVarParamsLoader(), PipesDefaultContextLoader(), writer) as pipes:
        for dataset, key in decode_invocation(dict(pipes.extras)).dataset_assets.items():
            for number in range(20):
                pipes.log.debug(f"{dataset} {number}")
            metadata = {"of": dataset, "process": f"{socket.gethostname()} {os.getpid()}"}
            pipes.report_asset_materialization(metadata, asset_key=key)
