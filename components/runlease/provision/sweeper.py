"""LeaseSweeper: a CronJob that runs `runlease sweep`, and the identity that can do exactly that."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi

from runlease.access import Duration, Identity
from runlease.config import SweeperSettings, load_section
from runlease.config.made import scheduled_account
from runlease.provision.scheduled import Job, MayGet, schedule
from runlease.provision.vault import may_sweep, sweeper_policy_name, trust_scheduled


class LeaseSweeperArgs(TypedDict):
    """What one installation's sweeper is given. Plain data decides which resources exist."""

    installation: str
    """Prefixes every name."""
    settings: SweeperSettings | Mapping[str, Any]
    """`access.sweeper` of the stack file."""
    issuer: str
    audience: str
    """The one audience of the token that it shows Vault."""
    jwt_mount: pulumi.Input[str]
    """`ClusterTrust.path`."""
    jwt_mount_name: str
    """The same, as plain text: it stands in the policy."""
    leases: Sequence[str]
    """Every lease of the installation: what it looks up."""
    max_ttl: str
    """The longest life of its own leases; its token lives a little longer."""
    namespaces: Sequence[str]
    """Where runs are: it may read a pod there and where it is itself, and nothing else."""
    files: Mapping[str, pulumi.Input[str]]
    """`stack.yaml` and the CA certificates that it names. No secret."""


class LeaseSweeper(pulumi.ComponentResource):
    """A service account, its JWT role and policy, a Role in each namespace of runs, a ConfigMap and a CronJob.

    Nobody else's rights are widened: its PostgreSQL logins are leases of the profile sweeper, and its pod holds no
    Secret, only projected tokens. Whoever makes pods in its namespace can be it.
    """

    def __init__(self, name: str, args: LeaseSweeperArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:LeaseSweeper", name, {}, opts)
        settings = load_section(SweeperSettings, args["settings"], name)
        installation, account = args["installation"], scheduled_account(args["installation"], "sweeper")
        after = opts.depends_on if opts else None
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=after)
        schedule(name, _job(args, settings, account), child)
        policy = may_sweep(name, installation, args["jwt_mount_name"], args["leases"], child)
        trust_scheduled(
            name,
            installation,
            args["jwt_mount"],
            Identity(settings.namespace, account, args["issuer"], args["audience"]),
            settings.leases,
            Duration.parse(args["max_ttl"]),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[policy])),
            beside=[sweeper_policy_name(installation)],
        )
        self.register_outputs({})


def _job(args: LeaseSweeperArgs, settings: SweeperSettings, account: str) -> Job:
    return Job(
        "sweep",
        ["--apply"] if settings.apply else [],
        settings,
        account,
        args["audience"],
        args["files"],
        # Its own as well: a sweep that was killed leaves a token, too.
        [MayGet(namespace, "pods") for namespace in (*args["namespaces"], settings.namespace)],
        "pods",
    )
