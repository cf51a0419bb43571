"""The group of commands `kedro pipes k8s`."""

from __future__ import annotations

import click

from kedro_pipes.commands.k8s.sweep import sweep


@click.group()
def k8s() -> None:
    """What workers in pods leave behind."""


k8s.add_command(sweep)
