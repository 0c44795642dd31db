"""Kubernetes: the cluster's provider, and PipelineIdentity."""

from typing import TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from runlease.access import Identity
from runlease.config import ClusterSettings, IdentitySettings, load_section
from runlease.provision.vault import trust_identity

DELETE_AT_ONCE = {"pulumi.com/deletionPropagationPolicy": "background"}
"""Nothing hangs on our objects, so a destroy need not wait for the cluster's garbage collector."""


def cluster_provider(settings: ClusterSettings, kubeconfig: pulumi.Input[str] | None) -> kubernetes.Provider:
    """Reach the cluster. Without a kubeconfig the environment's is used (`KUBECONFIG`)."""
    return kubernetes.Provider("cluster", kubeconfig=kubeconfig, context=settings.context)


class PipelineIdentityArgs(TypedDict):
    """One task of a pipeline and the one lease it may obtain."""

    installation: str
    """Prefixes the JWT role."""
    namespace: str
    service_account: str
    issuer: str
    audience: str
    """The one audience of its token."""
    jwt_mount: pulumi.Input[str]
    """`ClusterTrust.path`."""
    lease: str
    """Name of the lease."""
    max_ttl: str
    """The lease's longest life, such as `30m`; the run token lives a little longer."""


class PipelineIdentity(pulumi.ComponentResource):
    """A service account without an automounted token, and the JWT role that it alone can log in to. No more.

    Give it `depends_on` the policies of its namespace, where there are any: they must stand before it and outlast it.
    """

    def __init__(self, name: str, args: PipelineIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:PipelineIdentity", name, {}, opts)
        settings = load_section(
            IdentitySettings, {key: value for key, value in args.items() if key != "jwt_mount"}, name
        )
        identity = Identity(settings.namespace, settings.service_account, settings.issuer, settings.audience)
        after = opts.depends_on if opts else None
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=after)
        kubernetes.core.v1.ServiceAccount(
            f"{name}-account",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=identity.service_account,
                namespace=identity.namespace,
                labels={"app.kubernetes.io/managed-by": "runlease"},
                annotations={
                    **DELETE_AT_ONCE,
                    "runlease/installation": args["installation"],
                    "runlease/lease": args["lease"],
                },
            ),
            automount_service_account_token=False,
            opts=child,
        )
        trust_identity(
            f"{name}-role",
            args["installation"],
            args["jwt_mount"],
            identity,
            args["lease"],
            settings.max_ttl,
            child,
        )
        self.register_outputs({})
