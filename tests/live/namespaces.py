"""A namespace with a pipeline's leased accounts, its users and their rights, and the admission policies on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes

from lab.apply import apply_program
from lab.apply.kubernetes import to_server
from lab.https import RefusedError
from lab.kubernetes import Kubernetes
from runlease import LeaseAdmission, LeaseTasks
from runlease.provision.admission.component import policy_name
from runlease.provision.admission.policies import POLICIES

INSTALLATION, AUDIENCE = "admitted", "runlease/admitted"
ACCOUNTS = {"release-migrate": "shop-migrator", "release-seed": "shop-seeder"}
DIGEST = "registry.internal/tasks@sha256:" + 64 * "a"
COMMIT = 40 * "b"

DEVELOPER, DEPLOYER, ADMIN = "developer", "deployer", "lab-admin"
CONTROLLER = "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"
RESOLVERS = "system:serviceaccount:tekton-pipelines-resolvers:tekton-pipelines-resolvers"
JOBS = "system:serviceaccount:kube-system:job-controller"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
KUBELET = "system:node:worker"

Object = dict[str, Any]


@dataclass(frozen=True)
class Attempt:
    """What somebody asks of the API server; `{ns}` in the path is the namespace."""

    by: str
    method: str
    path: str
    body: Object | None = None
    kind_of_patch: str = "merge-patch"


@dataclass(frozen=True)
class Namespace:
    """One namespace of the lab's cluster, as each of its users has it."""

    name: str
    kubernetes: Kubernetes

    def send(self, attempt: Attempt, *, keep: bool = False) -> Object:
        """The server's answer; what is created is not kept unless asked for. Raises RefusedError."""
        group = "system:nodes" if attempt.by == KUBELET else "system:authenticated"
        path = attempt.path.format(ns=self.name)
        if attempt.method != "DELETE" and attempt.body is not None and not keep:
            path += "?dryRun=All"
        patch = {"Content-Type": f"application/{attempt.kind_of_patch}+json"} if attempt.method == "PATCH" else {}
        return self.kubernetes.acting_as(attempt.by, group).request(attempt.method, path, attempt.body, patch)

    def refusal(self, attempt: Attempt) -> str:
        """What a policy says to it; empty when none refuses. Raises RefusedError when RBAC or a schema does."""
        try:
            self.send(attempt)
        except RefusedError as refused:
            message = str(json.loads(refused.reason)["message"])
            if "ValidatingAdmissionPolicy" in message:
                return message
            if attempt.body is None and message.endswith(("does not have a host assigned", "address not allowed")):
                return ""  # the session was let through, to a pod that no node runs
            raise
        return ""

    def wait_until(self, settled: Callable[[], bool], seconds: float = 30) -> None:
        """Policies take effect, and lose it, a moment after they are stored."""
        deadline = time.monotonic() + seconds
        while not settled():
            assert time.monotonic() < deadline, f"the policies of {self.name} have not settled after {seconds} s"
            time.sleep(0.1)


def furnish(kubernetes: Kubernetes, name: str, accounts: Mapping[str, str], before: Sequence[Attempt]) -> Namespace:
    """Users with their rights, the leased accounts, what was there `before`, and what the components make."""
    for place in (name, f"{name}-tasks"):
        kubernetes.create_namespace(place)
        for role in _roles(place):
            kubernetes.apply(role)
    for account in (*ACCOUNTS, "builder"):
        kubernetes.create_service_account(name, account)
    namespace = Namespace(name, kubernetes)
    for made in before:
        namespace.send(made, keep=True)
    settings = {
        "deployers": {"users": [ADMIN, DEPLOYER]},
        "tasks": {
            "flyway": {"may_set": ["directory"]},
            "from-a-bundle": {"resolver": "bundles", "params": {"bundle": DIGEST, "name": "run", "kind": "task"}},
            "from-git": {
                "resolver": "git",
                "params": {"url": "https://git", "revision": COMMIT, "pathInRepo": "t.yaml"},
            },
            "shared": {
                "resolver": "cluster",
                "params": {"kind": "task", "name": "shared", "namespace": f"{name}-tasks"},
            },
        },
    }

    def program() -> None:
        provider = pulumi_kubernetes.Provider("cluster", kubeconfig=kubernetes.kubeconfig.read_text())
        opts = pulumi.ResourceOptions(providers=[provider])
        LeaseAdmission(
            "admission",
            {
                "installation": INSTALLATION,
                "namespace": name,
                "audience": AUDIENCE,
                "accounts": accounts,
                "tasks": ["postgres-migrate"],
                "settings": settings,
            },
            opts,
        )
        LeaseTasks(
            "tasks",
            {
                "installation": INSTALLATION,
                "namespace": name,
                "audience": AUDIENCE,
                "token_expiry": 600,
                "existing": False,
                "vault": {"address": "https://vault"},
                "databases": {},
                "leases": {},
            },
            opts,
        )

    apply_program(program, {}, {}, to_server(kubernetes))
    return namespace


def remove_policies(namespace: Namespace) -> None:
    """Take the policies away, as a destroy does."""
    for policy in POLICIES:
        named = policy_name(INSTALLATION, namespace.name, policy)
        for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
            namespace.kubernetes.delete("admissionregistration.k8s.io/v1", kind, named)


def _roles(namespace: str) -> list[Object]:
    """Generous rights: the developer has what Kubernetes' own role `edit` gives, and all of Tekton."""
    every = ["*"]
    rules: list[Object] = [
        {"apiGroups": ["tekton.dev", "resolution.tekton.dev"], "resources": every, "verbs": every},
        {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": every},
    ]
    tokens: list[Object] = [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}]
    return [
        _role("tekton-user", namespace, rules),
        _role("kubelet", namespace, tokens),
        _bind(namespace, "Role", "tekton-user", DEVELOPER),
        _bind(namespace, "ClusterRole", "system:aggregate-to-edit", DEVELOPER),
        _bind(namespace, "Role", "kubelet", KUBELET),
        _bind(namespace, "ClusterRole", "cluster-admin", DEPLOYER),
        _bind(namespace, "ClusterRole", "cluster-admin", CONTROLLER),
        _bind(namespace, "ClusterRole", "cluster-admin", RESOLVERS),
    ]


def _role(name: str, namespace: str, rules: list[Object]) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": rules,
    }


def _bind(namespace: str, kind: str, role: str, user: str) -> Object:
    group = "rbac.authorization.k8s.io"
    name = f"{role}.{user}".replace(":", "-")
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
