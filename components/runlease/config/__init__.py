"""A stack's settings: plain data in, an `Access` out, and every error at once with its path."""

from runlease.config.admission import AdmissionSettings, ApprovedTaskSettings, DeployerSettings
from runlease.config.load import (
    ConfigError,
    load,
    load_database,
    load_section,
)
from runlease.config.policy import Enforcement, EnforcementSettings, PolicySettings
from runlease.config.rules import RulesSettings
from runlease.config.scheduled import AuditorSettings, SweeperSettings
from runlease.config.settings import (
    ClusterSettings,
    DatabaseSettings,
    IdentitySettings,
    LeaseSettings,
    PipelineSettings,
    ProfileSettings,
    Settings,
    SslMode,
    VaultSettings,
)
from runlease.config.to_access import (
    identity_of,
    kubernetes_objects,
    profile_grants,
    role_name,
    scheduled_identity,
    to_acceptances,
    to_access,
    to_bounds,
)

__all__ = [
    "AdmissionSettings",
    "ApprovedTaskSettings",
    "AuditorSettings",
    "ClusterSettings",
    "ConfigError",
    "DatabaseSettings",
    "DeployerSettings",
    "Enforcement",
    "EnforcementSettings",
    "IdentitySettings",
    "LeaseSettings",
    "PipelineSettings",
    "PolicySettings",
    "ProfileSettings",
    "RulesSettings",
    "Settings",
    "SslMode",
    "SweeperSettings",
    "VaultSettings",
    "identity_of",
    "kubernetes_objects",
    "load",
    "load_database",
    "load_section",
    "profile_grants",
    "role_name",
    "scheduled_identity",
    "to_acceptances",
    "to_access",
    "to_bounds",
]
