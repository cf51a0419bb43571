"""Two groups whose libraries never meet in one environment."""
