"""A plugin, found by its entry points: hooks of runs, and of Kedro's command line."""

from hooked.calls import tell
from hooked.hooks import TellingHooks
from kedro.framework.cli.hooks import cli_hook_impl


class CommandHooks:
    """Tells of each command of Kedro."""

    @cli_hook_impl
    def before_command_run(self, command_args):
        """Tell of the command."""
        tell("called-plugin", "before_command_run", command=command_args)

    @cli_hook_impl
    def after_command_run(self, command_args, exit_code):
        """Tell of the command and how it ended."""
        tell("called-plugin", "after_command_run", command=command_args, exit_code=exit_code)


hooks = TellingHooks("called-plugin")
command_hooks = CommandHooks()
