"""`kedro pipes k8s …`: what workers in pods leave behind.

Drives the `kubectl` command, which knows contexts and ways to log in; knows no library of
Kubernetes's, and starts no worker.
"""
