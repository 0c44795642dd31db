"""runlease: a database lease for every pipeline run.

The nouns are in `runlease.access`, a stack's settings in `runlease.config`, the components in `runlease.provision`. The
components are imported on first use: a command that only reads a stack file needs no Pulumi.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runlease.provision import (
        ClusterTrust,
        DatabaseAccess,
        LeaseAdmission,
        LeaseAuditor,
        LeasedTask,
        LeaseEngine,
        LeaseSweeper,
        LeaseTasks,
        PipelineAccess,
        PipelineIdentity,
        Providers,
    )

__all__ = [
    "ClusterTrust",
    "DatabaseAccess",
    "LeaseAdmission",
    "LeaseAuditor",
    "LeaseEngine",
    "LeaseSweeper",
    "LeaseTasks",
    "LeasedTask",
    "PipelineAccess",
    "PipelineIdentity",
    "Providers",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'runlease' has no attribute {name!r}")
    return getattr(import_module("runlease.provision"), name)
