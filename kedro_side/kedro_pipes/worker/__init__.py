"""One invocation in a real Kedro session, reported through Pipes. Knows nothing of export."""
