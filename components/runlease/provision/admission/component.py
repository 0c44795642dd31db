"""LeaseAdmission: who may use the leased service accounts of one namespace, as policies of the API server."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from runlease.config import AdmissionSettings, load_section
from runlease.config.made import config_map_name
from runlease.provision.admission.approval import approve
from runlease.provision.admission.policies import Protected, policies
from runlease.provision.kubernetes import DELETE_AT_ONCE
from runlease.tasks import read_task


class LeaseAdmissionArgs(TypedDict):
    """What one namespace's policies must know."""

    installation: str
    """Stands in the policies' names."""
    namespace: str
    audience: str
    """Audience of the run tokens; in a pod the guard alone mounts them."""
    accounts: Mapping[str, str]
    """Leased service account → its lease."""
    tasks: Sequence[str]
    """The Tasks that `LeaseTasks` deploys there; they are approved."""
    settings: AdmissionSettings | Mapping[str, Any]
    """`cluster.admission` of a stack file."""


class LeaseAdmission(pulumi.ComponentResource):
    """Five ValidatingAdmissionPolicies with their bindings: cluster-scoped objects that reach this one namespace.

    They take effect a moment after they are made. Needs Kubernetes 1.30, and the right to make such policies.
    Raises ConfigError for settings that cannot be used, PolicyTooLongError for too many accounts in one namespace.
    """

    def __init__(self, name: str, args: LeaseAdmissionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:LeaseAdmission", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        for policy, spec in policies(_protected(args, name)).items():
            named = policy_name(args["installation"], args["namespace"], policy)
            made = _object(f"{name}-{policy}", "ValidatingAdmissionPolicy", named, spec, child)
            bound = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[made]))
            binding = {"policyName": named, "validationActions": ["Deny"]}
            _object(f"{name}-{policy}-binding", "ValidatingAdmissionPolicyBinding", named, binding, bound)
        self.register_outputs({})


def policy_name(installation: str, namespace: str, policy: str) -> str:
    """A policy and its binding. A dot stands in none of the parts, so no two namespaces meet."""
    return f"runlease.{installation}.{namespace}.{policy}"


def _object(
    name: str, kind: str, named: str, spec: Mapping[str, Any], opts: pulumi.ResourceOptions
) -> kubernetes.apiextensions.CustomResource:
    """A policy is a document already, so it is registered as one; the provider knows its kind all the same."""
    return kubernetes.apiextensions.CustomResource(
        name,
        api_version="admissionregistration.k8s.io/v1",
        kind=kind,
        metadata={
            "name": named,
            "labels": {"app.kubernetes.io/managed-by": "runlease"},
            "annotations": DELETE_AT_ONCE,
        },
        spec=spec,
        opts=opts,
    )


def _protected(args: LeaseAdmissionArgs, where: str) -> Protected:
    settings = load_section(AdmissionSettings, args["settings"], where)
    return Protected(
        namespace=args["namespace"],
        leased=args["accounts"],
        audience=args["audience"],
        approved=approve({task: read_task(task) for task in args["tasks"]}, settings),
        config_map=config_map_name(args["installation"]),
        controller=settings.controller,
        resolvers=settings.resolvers,
        users=settings.deployers.users,
        groups=settings.deployers.groups,
    )
