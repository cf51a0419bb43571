"""`kedro pipes check`."""

import click


@click.command()
def check() -> None:
    """Say what would go wrong, before anything is run."""
