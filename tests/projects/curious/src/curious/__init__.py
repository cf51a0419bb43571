"""Names that Kedro allows and Dagster forbids, reserves or would mix up."""
