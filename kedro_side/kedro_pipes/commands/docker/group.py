"""The group of commands `kedro pipes docker`."""

from __future__ import annotations

import click

from kedro_pipes.commands.docker.init import init
from kedro_pipes.commands.docker.sweep import sweep


@click.group()
def docker() -> None:
    """Images and a stack for workers in containers, and what such workers leave behind."""


for command in (init, sweep):
    docker.add_command(command)
