"""PostgreSQL: the only package that imports pulumi_postgresql."""

from runlease.provision.postgres.admin import admin_provider
from runlease.provision.postgres.database import DatabaseAccess, DatabaseAccessArgs
from runlease.provision.postgres.functions import VaultLogin

__all__ = ["DatabaseAccess", "DatabaseAccessArgs", "VaultLogin", "admin_provider"]
