"""The nouns of runlease and what follows from them. Pure: standard library only, no I/O.

Everything else is an edge: configuration, catalogs and previews become an `Access`; components and
reports are made from one.
"""

from runlease.access.lifetimes import Duration, LifetimeError, incoherent_lifetimes
from runlease.access.model import (
    Access,
    Binding,
    Database,
    Grant,
    Identity,
    Lease,
    ObjectKind,
    OnAll,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    ProfileName,
    Public,
    Role,
    Server,
    Target,
)
from runlease.access.profiles import PROFILES, Profile, grants_of
from runlease.access.reach import Reached, reach

__all__ = [
    "PROFILES",
    "Access",
    "Binding",
    "Database",
    "Duration",
    "Grant",
    "Identity",
    "Lease",
    "LifetimeError",
    "ObjectKind",
    "OnAll",
    "OnDatabase",
    "OnFuture",
    "OnNamed",
    "OnSchema",
    "Privilege",
    "Profile",
    "ProfileName",
    "Public",
    "Reached",
    "Role",
    "Server",
    "Target",
    "grants_of",
    "incoherent_lifetimes",
    "reach",
]
