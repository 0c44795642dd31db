"""All that a command could have changed in a database, to be compared before and after."""

from __future__ import annotations

from tests.live.deployment import Deployment

CATALOGS = (
    "pg_attribute",
    "pg_auth_members",
    "pg_authid",
    "pg_class",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_namespace",
    "pg_parameter_acl",
    "pg_policy",
    "pg_proc",
    "pg_shdepend",
    "pg_shdescription",
    "pg_trigger",
)


def dump(site: Deployment, *tables: str) -> str:
    """The catalogs and the tables named, with the versions of their rows."""
    every = (*CATALOGS, *tables)
    return str([site.rows(f"SELECT xmin::text, t::text FROM {one} t ORDER BY 2") for one in every])  # noqa: S608 - ours
