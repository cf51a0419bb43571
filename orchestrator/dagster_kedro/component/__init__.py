"""A Kedro project as a component of `dg`. Nothing else may need it."""
