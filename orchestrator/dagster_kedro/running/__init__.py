"""One step's run: plan, launch groups through clients, retry, stream. Knows no definitions."""
