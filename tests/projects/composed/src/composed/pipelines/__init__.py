"""The pipelines, found by `find_pipelines`."""
