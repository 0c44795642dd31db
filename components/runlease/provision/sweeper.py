"""LeaseSweeper: a CronJob that runs `runlease sweep`, and the identity that can do exactly that."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from runlease.access import Duration, Identity
from runlease.config import SweeperSettings, load_section
from runlease.config.made import sweeper_account
from runlease.provision.kubernetes import DELETE_AT_ONCE
from runlease.provision.vault import trust_sweeper

STACK = "stack.yaml"
"""The settings as the CronJob reads them."""

_FOLDER, _IDENTITY = "/runlease/stack", "/runlease/identity"
_UID = 65532
_TOKEN_SECONDS = 600


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
        account = sweeper_account(args["installation"])
        after = opts.depends_on if opts else None
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=after)
        identity = Identity(settings.namespace, account, args["issuer"], args["audience"])
        longest = Duration.parse(args["max_ttl"])
        where = {"name": account, "namespace": settings.namespace}
        metadata = _metadata(where)
        kubernetes.core.v1.ServiceAccount(
            f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=child
        )
        trust_sweeper(
            name,
            args["installation"],
            args["jwt_mount"],
            args["jwt_mount_name"],
            identity,
            settings.leases,
            args["leases"],
            longest,
            child,
        )
        # Its own as well: a sweep that was killed leaves a token, too.
        for namespace in (*args["namespaces"], settings.namespace):
            _pods(f"{name}-pods-{namespace}", namespace, where, child)
        kubernetes.core.v1.ConfigMap(f"{name}-stack", metadata=metadata, data=dict(args["files"]), opts=child)
        kubernetes.apiextensions.CustomResource(
            f"{name}-job",
            api_version="batch/v1",
            kind="CronJob",
            metadata=metadata,
            spec=_schedule(settings, account, args),
            opts=child,
        )
        self.register_outputs({})


def _pods(name: str, namespace: str, account: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """`get` of one pod by its name; it can list none."""
    metadata = _metadata({"name": account["name"], "namespace": namespace})
    rule = kubernetes.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["pods"], verbs=["get"])
    role = kubernetes.rbac.v1.Role(name, metadata=metadata, rules=[rule], opts=opts)
    kubernetes.rbac.v1.RoleBinding(
        f"{name}-binding",
        metadata=metadata,
        role_ref=kubernetes.rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io", kind="Role", name=account["name"]
        ),
        subjects=[kubernetes.rbac.v1.SubjectArgs(kind="ServiceAccount", **account)],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )


def _metadata(where: Mapping[str, str]) -> kubernetes.meta.v1.ObjectMetaArgs:
    labels = {"app.kubernetes.io/managed-by": "runlease"}
    return kubernetes.meta.v1.ObjectMetaArgs(
        name=where["name"], namespace=where["namespace"], labels=labels, annotations=DELETE_AT_ONCE
    )


def _schedule(settings: SweeperSettings, account: str, args: LeaseSweeperArgs) -> dict[str, Any]:
    return {
        "schedule": settings.schedule,
        # Two at once would be safe; one is enough.
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 300,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": 900,
                "template": {"spec": _pod(settings, account, args["audience"])},
            }
        },
    }


def _pod(settings: SweeperSettings, account: str, audience: str) -> dict[str, Any]:
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
        "volumes": [{"name": "stack", "configMap": {"name": account}}, _tokens(audience)],
    }


def _container(settings: SweeperSettings) -> dict[str, Any]:
    command = ["runlease", "sweep", f"{_FOLDER}/{STACK}", "--identity", _IDENTITY]
    return {
        "name": "sweep",
        "image": settings.image,
        "command": [*command, "--apply"] if settings.apply else command,
        "env": [{"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [
            {"name": "stack", "mountPath": _FOLDER, "readOnly": True},
            {"name": "identity", "mountPath": _IDENTITY, "readOnly": True},
        ],
    }


def _tokens(audience: str) -> dict[str, Any]:
    """One token for Vault, one for the API server, and the API server's CA; as `--identity` wants them."""
    life = {"expirationSeconds": _TOKEN_SECONDS}
    return {
        "name": "identity",
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "vault-token", "audience": audience, **life}},
                {"serviceAccountToken": {"path": "cluster-token", **life}},
                {
                    "configMap": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "cluster-ca.crt"}],
                    }
                },
            ],
        },
    }
