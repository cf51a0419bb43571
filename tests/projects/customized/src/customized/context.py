"""A context that adds a parameter."""

from kedro.framework.context import KedroContext


class StampedContext(KedroContext):
    """Gives nodes the package's name as a parameter."""

    @property
    def params(self):
        """Return the parameters, and one more."""
        return {**super().params, "package": self._package_name}
