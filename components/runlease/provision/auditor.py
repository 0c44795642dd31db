"""LeaseAuditor: a CronJob that runs `runlease verify`, and the identity that can see what it asks for."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi

from runlease.access import Duration, Identity
from runlease.config import AuditorSettings, load_section
from runlease.config.made import scheduled_account
from runlease.provision.scheduled import Job, MayGet, schedule
from runlease.provision.vault import trust_scheduled


class LeaseAuditorArgs(TypedDict):
    """What one installation's auditor is given. Plain data decides which resources exist."""

    installation: str
    """Prefixes every name."""
    settings: AuditorSettings | Mapping[str, Any]
    """`access.auditor` of the stack file."""
    issuer: str
    audience: str
    """The one audience of the token that it shows Vault."""
    jwt_mount: pulumi.Input[str]
    """`ClusterTrust.path`."""
    max_ttl: str
    """The longest life of its own leases; its token lives a little longer."""
    objects: Sequence[tuple[str, str, str]]
    """Kind, namespace and name of what it looks for in the cluster; it may get that by name, and nothing else."""
    files: Mapping[str, pulumi.Input[str]]
    """`stack.yaml` and the CA certificates that it names. No secret."""


class LeaseAuditor(pulumi.ComponentResource):
    """A service account, its JWT role, a Role in each namespace where it looks, a ConfigMap and a CronJob.

    It changes nothing: its PostgreSQL logins and what it may ask of Vault are leases of the profile auditor. Its Job
    fails when it finds something, or cannot ask for it all.
    """

    def __init__(self, name: str, args: LeaseAuditorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:LeaseAuditor", name, {}, opts)
        settings = load_section(AuditorSettings, args["settings"], name)
        account = scheduled_account(args["installation"], "auditor")
        after = opts.depends_on if opts else None
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=after)
        job = Job("verify", [], settings, account, args["audience"], args["files"], _sees(args["objects"]), "objects")
        schedule(name, job, child)
        trust_scheduled(
            name,
            args["installation"],
            args["jwt_mount"],
            Identity(settings.namespace, account, args["issuer"], args["audience"]),
            settings.leases,
            Duration.parse(args["max_ttl"]),
            child,
        )
        self.register_outputs({})


def _sees(objects: Sequence[tuple[str, str, str]]) -> list[MayGet]:
    kinds = dict.fromkeys((namespace, kind) for kind, namespace, _ in objects)
    return [
        MayGet(*found, [name for kind, namespace, name in objects if (namespace, kind) == found]) for found in kinds
    ]
