"""Workers in containers of a Docker engine."""

from dagster_kedro.clients.docker.client import KedroDockerClient as KedroDockerClient
