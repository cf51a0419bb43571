"""`clients.<name>` of type `k8s`, and `pod` of a group: pods of a Kubernetes cluster."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class PodConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pod:` raw Kubernetes settings, under dagster-k8s's names, in either spelling.

    Mappings of a group go into those of its client, and lists after them.
    """

    container_config: dict[str, Any] = {}
    """Of the worker's container: `env_from`, `volume_mounts`, `security_context` …"""
    pod_spec_config: dict[str, Any] = {}
    """Of its pod: `node_selector`, `tolerations`, `affinity`, `volumes`, sidecars in `containers` …"""
    pod_template_spec_metadata: dict[str, Any] = {}
    """`labels` and `annotations` of its pod."""


class StartLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`limits:` how long a pod may take before its worker runs."""

    schedule_s: _Seconds = 600
    """Seconds until a node is found for it, a new one of an autoscaler for instance."""
    pull_s: _Seconds = 120
    """Seconds for which pulling its image may fail; not how long the pull may take."""
    start_s: _Seconds = 900
    """Seconds for everything else until its container runs, pulling the image among it."""
