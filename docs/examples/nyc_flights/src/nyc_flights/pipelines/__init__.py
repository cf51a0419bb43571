"""One package for each registered pipeline."""
