"""One database as the parts of `DatabaseAccess` share it, and how roles are made in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_postgresql as postgresql

from runlease.config import DatabaseSettings, LeaseSettings
from runlease.config.made import own_role


@dataclass(frozen=True)
class Site:
    """The component, its database and the leases on it."""

    component: pulumi.ComponentResource
    name: str
    """The component's name: every child's begins with it."""
    key: str
    settings: DatabaseSettings
    leases: Mapping[str, LeaseSettings]
    ca_file: pulumi.Input[str]

    def options(self, **more: Any) -> pulumi.ResourceOptions:
        """Options of a child."""
        return pulumi.ResourceOptions(parent=self.component, **more)

    def role(
        self,
        part: str,
        name: str,
        opts: pulumi.ResourceOptions,
        *,
        login: bool = False,
        owns_nothing: bool | None = None,
        **properties: Any,
    ) -> postgresql.Role:
        """A role, NOLOGIN unless said otherwise.

        `owns_nothing`: before it drops a role the provider gives what it owns to whoever is logged in, which the
        deployer may not do. Group roles own nothing, and their grants are resources that are deleted first.
        """
        return postgresql.Role(
            f"{self.name}-{part}", opts, name=name, login=login, skip_reassign_owned=owns_nothing, **properties
        )

    def own(self, part: str) -> str:
        """Name of a role that is runlease's own: it carries the database's key."""
        return own_role(self.key, part)
