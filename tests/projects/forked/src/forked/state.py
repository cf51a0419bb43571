"""What hooks have set, and nodes change."""

SET: list[str] = []
FOLDERS = []
