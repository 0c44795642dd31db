"""The nouns of runlease and what follows from them. Pure: standard library only, no I/O.

Everything else is an edge: configuration, catalogs and previews become an `Access`; components and
reports are made from one.
"""

from runlease.access.grants import (
    PUBLIC,
    Grant,
    ObjectKind,
    OnAll,
    OnColumns,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Target,
    every_privilege,
)
from runlease.access.lifetimes import Duration, LifetimeError, incoherent_lifetimes
from runlease.access.model import (
    Access,
    Attribute,
    Binding,
    Database,
    Identity,
    Lease,
    ProfileName,
    Public,
    Role,
    Server,
)
from runlease.access.profiles import PROFILES, Profile, grants_of
from runlease.access.reach import Reached, reach
from runlease.access.wiring import (
    API_AUDIENCES,
    EVERY,
    Account,
    Connection,
    PathRule,
    Permission,
    Policy,
    TaskText,
    Trust,
    Unread,
)

__all__ = [
    "API_AUDIENCES",
    "EVERY",
    "PROFILES",
    "PUBLIC",
    "Access",
    "Account",
    "Attribute",
    "Binding",
    "Connection",
    "Database",
    "Duration",
    "Grant",
    "Identity",
    "Lease",
    "LifetimeError",
    "ObjectKind",
    "OnAll",
    "OnColumns",
    "OnDatabase",
    "OnFuture",
    "OnNamed",
    "OnSchema",
    "PathRule",
    "Permission",
    "Policy",
    "Privilege",
    "Profile",
    "ProfileName",
    "Public",
    "Reached",
    "Role",
    "Server",
    "Target",
    "TaskText",
    "Trust",
    "Unread",
    "every_privilege",
    "grants_of",
    "incoherent_lifetimes",
    "reach",
]
