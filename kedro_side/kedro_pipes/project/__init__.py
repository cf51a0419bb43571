"""What can be read off a live Kedro project. Runs no node, writes nothing."""
