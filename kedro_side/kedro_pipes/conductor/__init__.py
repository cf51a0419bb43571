"""One session for a whole run, in a process that forks a worker for each group of nodes.

The orchestrator orders what is forked and when; nothing is scheduled here. Uses `worker` for all
that a worker does. Linux only.
"""
