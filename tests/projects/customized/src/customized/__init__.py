"""A project that replaces what Kedro lets it: loader, catalog, context, and much by hooks."""
