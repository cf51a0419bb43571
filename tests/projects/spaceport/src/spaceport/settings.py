"""Settings of the project."""

from omegaconf.resolvers import oc

from spaceport.hooks import LogHooks

HOOKS = (LogHooks(),)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # Kedro allows `oc.env` in credentials only; many projects open it like this.
    "custom_resolvers": {"env": oc.env},
}
