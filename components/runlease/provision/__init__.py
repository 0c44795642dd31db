"""The components: one outside system a module, and `PipelineAccess`, which composes them."""

from runlease.provision.admission import LeaseAdmission, LeaseAdmissionArgs
from runlease.provision.auditor import LeaseAuditor, LeaseAuditorArgs
from runlease.provision.kubernetes import PipelineIdentity, PipelineIdentityArgs
from runlease.provision.pipeline import PipelineAccess, PipelineAccessArgs, Providers
from runlease.provision.postgres import DatabaseAccess, DatabaseAccessArgs, VaultLogin
from runlease.provision.sweeper import LeaseSweeper, LeaseSweeperArgs
from runlease.provision.tekton import LeasedTask, LeasedTaskArgs, LeaseTasks, LeaseTasksArgs
from runlease.provision.vault import ClusterTrust, ClusterTrustArgs, LeaseEngine, LeaseEngineArgs

__all__ = [
    "ClusterTrust",
    "ClusterTrustArgs",
    "DatabaseAccess",
    "DatabaseAccessArgs",
    "LeaseAdmission",
    "LeaseAdmissionArgs",
    "LeaseAuditor",
    "LeaseAuditorArgs",
    "LeaseEngine",
    "LeaseEngineArgs",
    "LeaseSweeper",
    "LeaseSweeperArgs",
    "LeaseTasks",
    "LeaseTasksArgs",
    "LeasedTask",
    "LeasedTaskArgs",
    "PipelineAccess",
    "PipelineAccessArgs",
    "PipelineIdentity",
    "PipelineIdentityArgs",
    "Providers",
    "VaultLogin",
]
