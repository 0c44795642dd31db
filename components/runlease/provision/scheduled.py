"""A CronJob that runs one of runlease's commands with an identity of its own. No Secret is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from runlease.config import AuditorSettings, SweeperSettings
from runlease.provision.kubernetes import DELETE_AT_ONCE

STACK = "stack.yaml"
"""The settings as the CronJob reads them."""

_FOLDER, _IDENTITY = "/runlease/stack", "/runlease/identity"
_UID = 65532
_TOKEN_SECONDS = 600


@dataclass(frozen=True)
class MayGet:
    """Objects of one kind in one namespace, to get one by one."""

    namespace: str
    kind: str
    names: Sequence[str] = ()
    """Empty: any whose name is known; none can be listed."""


@dataclass(frozen=True)
class Job:
    """What runs, as whom, and what it is given."""

    command: str
    options: Sequence[str]
    settings: SweeperSettings | AuditorSettings
    account: str
    audience: str
    """The one audience of the token that it shows Vault."""
    files: Mapping[str, pulumi.Input[str]]
    """`stack.yaml` and the CA certificates that it names. No secret."""
    may_get: Sequence[MayGet]
    seen: str
    """What that is, in a word: part of the names of its Roles' resources."""


def schedule(name: str, job: Job, opts: pulumi.ResourceOptions) -> None:
    """A service account, a Role in each namespace where it may get something, a ConfigMap and the CronJob."""
    where = {"name": job.account, "namespace": job.settings.namespace}
    metadata = _metadata(where)
    kubernetes.core.v1.ServiceAccount(
        f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=opts
    )
    for namespace in dict.fromkeys(one.namespace for one in job.may_get):
        here = [one for one in job.may_get if one.namespace == namespace]
        _may_get(f"{name}-{job.seen}-{namespace}", here, where, opts)
    kubernetes.core.v1.ConfigMap(f"{name}-stack", metadata=metadata, data=dict(job.files), opts=opts)
    kubernetes.apiextensions.CustomResource(
        f"{name}-job",
        api_version="batch/v1",
        kind="CronJob",
        metadata=metadata,
        spec=_schedule(job),
        opts=opts,
    )


def _may_get(name: str, here: Sequence[MayGet], account: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """A Role in the namespace of all of `here`, and its binding."""
    metadata = _metadata({"name": account["name"], "namespace": here[0].namespace})
    rules = [
        kubernetes.rbac.v1.PolicyRuleArgs(
            api_groups=[""], resources=[one.kind], resource_names=list(one.names) or None, verbs=["get"]
        )
        for one in here
    ]
    role = kubernetes.rbac.v1.Role(name, metadata=metadata, rules=rules, opts=opts)
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


def _schedule(job: Job) -> dict[str, Any]:
    return {
        "schedule": job.settings.schedule,
        # Two at once would be safe; one is enough.
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 300,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": 900,
                "template": {"spec": _pod(job)},
            }
        },
    }


def _pod(job: Job) -> dict[str, Any]:
    return {
        "serviceAccountName": job.account,
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
        "containers": [_container(job)],
        "volumes": [{"name": "stack", "configMap": {"name": job.account}}, _tokens(job.audience)],
    }


def _container(job: Job) -> dict[str, Any]:
    return {
        "name": job.command,
        "image": job.settings.image,
        "command": ["runlease", job.command, f"{_FOLDER}/{STACK}", "--identity", _IDENTITY, *job.options],
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
