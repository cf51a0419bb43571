"""A plugin of an older Kedro, which cannot be registered: hooks have no `session_id` any more."""

from kedro.framework.hooks import hook_impl


class OldHooks:
    """Declares an argument that is gone."""

    @hook_impl
    def before_node_run(self, node, session_id):
        """Do nothing."""


hooks = OldHooks()
