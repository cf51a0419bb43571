"""`kedro pipes docker …`: what a project and its user need for workers in containers.

Drives the `docker` command, which knows contexts, TLS and SSH; knows no library of Docker's, and
starts no worker.
"""
