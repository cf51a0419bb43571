"""The group of commands `kedro pipes docker`."""

from __future__ import annotations

import click

from kedro_pipes.commands.docker.sweep import sweep


@click.group()
def docker() -> None:
    """Images for workers in containers, and what such workers leave behind."""


for command in (sweep,):
    docker.add_command(command)
