"""ClusterTrust: the JWT mount that trusts one cluster's service accounts; and one JWT role for each identity."""

from collections.abc import Sequence
from typing import TypedDict

import pulumi
import pulumi_vault as vault

from runlease.access import Duration, Identity
from runlease.access.lifetimes import TOKEN_MARGIN
from runlease.provision.vault.names import (
    jwt_mount,
    jwt_role,
    policy_name,
    sweeper_policy,
    sweeper_policy_name,
)


class ClusterTrustArgs(TypedDict, total=False):
    """One cluster, as Vault checks its tokens. Exactly one source of keys."""

    installation: str
    """Prefixes the mount."""
    issuer: str
    """The `iss` claim, compared exactly."""
    existing_mount: str | None
    """A JWT mount that is there already. Default: one is made."""
    discovery: bool
    """Take the keys from the issuer's discovery document; Vault must reach it when this is applied."""
    jwks_url: str | None
    """Take the keys from this URL."""
    public_keys: Sequence[pulumi.Input[str]]
    """Take these keys (PEM); they must be changed when the cluster's are."""
    ca: pulumi.Input[str] | None
    """CA certificate (PEM) that Vault checks the issuer or JWKS URL with. Default: Vault's system store."""


class ClusterTrust(pulumi.ComponentResource):
    """One JWT mount for a cluster and installation, or an existing one that is used as it is."""

    path: pulumi.Output[str]
    """Path of the mount, under `auth/`."""

    def __init__(self, name: str, args: ClusterTrustArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:ClusterTrust", name, {}, opts)
        existing = args.get("existing_mount")
        self.path = pulumi.Output.from_input(existing) if existing else self._mount(name, args).path.apply(str)
        self.register_outputs({"path": self.path})

    def _mount(self, name: str, args: ClusterTrustArgs) -> vault.jwt.AuthBackend:
        jwks_url = args.get("jwks_url")
        # A trailing newline would show as a change in every preview.
        keys = [pulumi.Output.from_input(key).apply(str.strip) for key in args.get("public_keys", ())]
        return vault.jwt.AuthBackend(
            f"{name}-mount",
            type="jwt",
            path=jwt_mount(args["installation"]),
            description=f"runlease: service accounts of {args['issuer']}",
            bound_issuer=args["issuer"],
            oidc_discovery_url=args["issuer"] if args.get("discovery") else None,
            oidc_discovery_ca_pem=args.get("ca") if args.get("discovery") else None,
            jwks_url=jwks_url,
            jwks_ca_pem=args.get("ca") if jwks_url else None,
            jwt_validation_pubkeys=keys or None,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def trust_identity(
    name: str,
    installation: str,
    mount: pulumi.Input[str],
    identity: Identity,
    lease: str,
    longest: Duration,
    opts: pulumi.ResourceOptions,
) -> vault.jwt.AuthBackendRole:
    """One JWT role: exactly this account of this namespace, in a pod, with this audience, for exactly one lease."""
    return _jwt_role(name, installation, mount, identity, [policy_name(installation, lease)], longest, opts)


def trust_scheduled(
    name: str,
    installation: str,
    mount: pulumi.Input[str],
    identity: Identity,
    own: Sequence[str],
    longest: Duration,
    opts: pulumi.ResourceOptions,
    beside: Sequence[str] = (),
) -> None:
    """A JWT role that carries the policies of its own leases, and those `beside`."""
    policies = [*beside, *(policy_name(installation, lease) for lease in own)]
    _jwt_role(f"{name}-role", installation, mount, identity, policies, longest, opts)


def may_sweep(
    name: str, installation: str, mount_name: str, leases: Sequence[str], opts: pulumi.ResourceOptions
) -> vault.Policy:
    """The sweeper's policy."""
    return vault.Policy(
        f"{name}-policy",
        name=sweeper_policy_name(installation),
        policy=sweeper_policy(installation, mount_name, leases),
        allow_overwrite=False,
        opts=opts,
    )


def _jwt_role(
    name: str,
    installation: str,
    mount: pulumi.Input[str],
    identity: Identity,
    policies: list[str],
    longest: Duration,
    opts: pulumi.ResourceOptions,
) -> vault.jwt.AuthBackendRole:
    """Exactly one account of one namespace, in a pod, with one audience.

    `bound_claims_type` is glob only so that the presence of a pod uid can be asked for; namespaces and accounts hold no
    `*`, so they are compared exactly. The leeways of -1 mean none: the default would take tokens 150 s after their end.
    """
    life = (longest + TOKEN_MARGIN).seconds
    return vault.jwt.AuthBackendRole(
        name,
        backend=mount,
        role_name=jwt_role(installation, identity),
        role_type="jwt",
        user_claim="sub",
        bound_subject=identity.subject,
        bound_audiences=[identity.audience],
        bound_claims_type="glob",
        bound_claims={
            "/kubernetes.io/namespace": identity.namespace,
            "/kubernetes.io/serviceaccount/name": identity.service_account,
            "/kubernetes.io/pod/uid": "*-*-*-*-*",
        },
        claim_mappings={
            "/kubernetes.io/namespace": "namespace",
            "/kubernetes.io/pod/name": "pod",
            "/kubernetes.io/pod/uid": "pod_uid",
            "/kubernetes.io/serviceaccount/name": "service_account",
            "jti": "jti",
        },
        clock_skew_leeway=-1,
        expiration_leeway=-1,
        not_before_leeway=-1,
        token_policies=policies,
        token_no_default_policy=True,
        token_ttl=life,
        token_max_ttl=life,
        token_explicit_max_ttl=life,
        token_type="service",  # noqa: S106 - a kind of token, no token
        opts=opts,
    )
