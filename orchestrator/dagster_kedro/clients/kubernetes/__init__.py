"""Workers in pods of a Kubernetes cluster."""

from dagster_kedro.clients.kubernetes.client import KedroK8sClient as KedroK8sClient
