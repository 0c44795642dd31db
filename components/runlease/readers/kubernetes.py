"""Resources of pulumi-kubernetes → accounts, permissions and the texts of Tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runlease.access import EVERY, Account, Permission, TaskText, Unread
from runlease.readers.error import UnreadError
from runlease.readers.properties import SECRET, Properties, Resource

_HARMLESS = frozenset(
    {
        "ConfigMap",
        "CustomResourceDefinition",
        "Endpoints",
        "EndpointSlice",
        "HorizontalPodAutoscaler",
        "Ingress",
        "IngressClass",
        "LimitRange",
        "Namespace",
        "NetworkPolicy",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PriorityClass",
        "ResourceQuota",
        "Service",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)
"""Kinds that neither give a right nor run anything. Every other kind that is not read below is said to be unread."""
_SCHEDULED = ("runlease:index:LeaseSweeper$", "runlease:index:LeaseAuditor$")
_RBAC = "rbac.authorization.k8s.io"
_Rule = tuple[tuple[str, ...], tuple[str, ...]]
_WRITES = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_BUILT_IN: Mapping[str, tuple[_Rule, ...]] = {
    "cluster-admin": (((EVERY,), (EVERY,)),),
    "admin": (
        (_WRITES, ("pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets")),
        (_WRITES, ("cronjobs", "daemonsets", "deployments", "jobs", "replicasets", "replicationcontrollers")),
        (_WRITES, ("statefulsets", "configmaps", "serviceaccounts", "roles", "rolebindings")),
        (("impersonate",), ("serviceaccounts",)),
        (("create",), ("serviceaccounts/token",)),
    ),
    "edit": (
        (_WRITES, ("pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets")),
        (_WRITES, ("cronjobs", "daemonsets", "deployments", "jobs", "replicasets", "replicationcontrollers")),
        (_WRITES, ("statefulsets", "configmaps", "serviceaccounts")),
        (("impersonate",), ("serviceaccounts",)),
        (("create",), ("serviceaccounts/token",)),
    ),
    "view": ((("get", "list", "watch"), ("pods", "pods/log", "serviceaccounts", "configmaps")),),
}
"""What every cluster has, as far as it matters here.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles
"""


@dataclass
class Kubernetes:
    """Takes in one resource after the other; then `permissions`."""

    providers: Mapping[str, Resource]
    accounts: list[Account] = field(default_factory=list)
    tasks: list[TaskText] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    _rules: dict[tuple[str, str], tuple[_Rule, ...]] = field(default_factory=dict)
    """By namespace and name; no namespace for a ClusterRole."""
    _bindings: list[tuple[Resource, str]] = field(default_factory=list)
    """RoleBindings with their namespaces, EVERY for ClusterRoleBindings."""

    def read(self, resource: Resource) -> None:
        """Take one resource in. Raises UnreadError."""
        group, _, kind = resource.type.removeprefix("kubernetes:").rpartition(":")
        group = group.partition("/")[0]
        said = resource.properties
        match group, kind:
            case "core", "ServiceAccount":
                namespace, name = self._named(resource)
                automount = said.flag("automountServiceAccountToken", default=True)
                self.accounts.append(Account(namespace, name, automount, source=resource.urn))
            case group, "Role" | "ClusterRole" if group == _RBAC:
                self._role(resource, kind)
            case group, "RoleBinding" | "ClusterRoleBinding" if group == _RBAC:
                namespace, _ = self._named(resource)
                self._bindings.append((resource, EVERY if kind == "ClusterRoleBinding" else namespace))
            case "core", "Secret":
                if said.text("type", "Opaque") == "kubernetes.io/service-account-token":
                    raise UnreadError("a Secret that holds a token of an account, which has no end, is not understood")
            case "tekton.dev", "Task":
                self.tasks.append(read_task(*self._named(resource), said.below("spec"), resource.urn))
            case "batch", "CronJob" if any(component in resource.urn for component in _SCHEDULED):
                pass  # runs as its component's account, which its bindings tell of
            case _ if kind.removesuffix("Patch") not in _HARMLESS:
                raise UnreadError(f"resources of type {resource.type} are not understood")

    def _named(self, resource: Resource) -> tuple[str, str]:
        metadata = resource.properties.below("metadata")
        provider = self.providers.get(resource.provider)
        default = provider.properties.text("namespace", "default") if provider else "default"
        return metadata.text("namespace", default), metadata.text("name")

    def _role(self, resource: Resource, kind: str) -> None:
        namespace, name = self._named(resource)
        if resource.properties.has("aggregationRule"):
            raise UnreadError("a ClusterRole that is put together from others is not understood")
        rules = tuple(
            (rule.texts("verbs"), rule.texts("resources"))
            for rule in resource.properties.each("rules")
            if rule.has("resources")
        )
        self._rules["" if kind == "ClusterRole" else namespace, name] = rules

    def permissions(self) -> Iterator[Permission]:
        """What the bindings give; one whose role is not read is Unread."""
        for resource, namespace in self._bindings:
            try:
                yield from self._permissions(resource, namespace)
            except UnreadError as error:
                self.unread.append(Unread(resource.urn, str(error), source=resource.urn))

    def _permissions(self, resource: Resource, namespace: str) -> list[Permission]:
        reference = resource.properties.below("roleRef")
        kind, name = reference.text("kind"), reference.text("name")
        where = "" if kind == "ClusterRole" else namespace
        rules = self._rules.get((where, name))
        if rules is None:
            rules = _BUILT_IN.get(name) if kind == "ClusterRole" else None
        if rules is None:
            raise UnreadError(f"binds {kind} {name}, whose rules are not read")
        subjects = [_subject(one, namespace) for one in resource.properties.each("subjects")]
        return [
            Permission(subject, namespace, verbs, resources, source=resource.urn)
            for subject in subjects
            for verbs, resources in rules
        ]


def _subject(said: Properties, namespace: str) -> str:
    name = said.text("name")
    if said.text("kind") != "ServiceAccount":
        return name
    return f"system:serviceaccount:{said.text('namespace', namespace)}:{name}"


def read_task(namespace: str, name: str, spec: Properties, source: str) -> TaskText:
    """The texts of a Task in which a secret could stand. Raises UnreadError."""
    containers = [(f"steps.{_called(one, i)}", one) for i, one in enumerate(spec.each("steps"))]
    containers += [(f"sidecars.{_called(one, i)}", one) for i, one in enumerate(spec.each("sidecars"))]
    containers += [("stepTemplate", spec.below("stepTemplate"))] if spec.has("stepTemplate") else []
    values = [found for one in spec.each("params") for found in _default(one)]
    secrets = list(_volumes(spec))
    for place, container in containers:
        values += _environment(place, container)
        secrets += _from_secrets(place, container)
        values += [
            (f"{place}.{key}", " ".join(container.texts(key))) for key in ("command", "args") if container.has(key)
        ]
    return TaskText(
        namespace,
        name,
        images=tuple((place, one.text("image")) for place, one in containers if one.has("image")),
        scripts=tuple((place, one.text("script")) for place, one in containers if one.has("script")),
        values=tuple(values),
        secrets=tuple(secrets),
        source=source,
    )


def _called(container: Properties, number: int) -> str:
    return container.text("name", f"{number}")


def _default(param: Properties) -> Iterator[tuple[str, str]]:
    place = f"params.{param.text('name')}"
    if param.is_list("default"):
        yield place, " ".join(param.texts("default"))
    elif param.text("type", "string") == "object":
        inner = param.below("default")
        yield from ((f"{place}.{key}", inner.text(key)) for key in inner.names())
    elif param.has("default"):
        yield place, param.text("default")


def _environment(place: str, container: Properties) -> Iterator[tuple[str, str]]:
    for variable in container.each("env"):
        if variable.has("value") and not variable.is_secret("value"):
            yield f"{place}.env.{variable.text('name')}", variable.text("value")


def _from_secrets(place: str, container: Properties) -> Iterator[tuple[str, str]]:
    for variable in container.each("env"):
        where = f"{place}.env.{variable.text('name')}"
        reference = variable.below("valueFrom").below("secretKeyRef")
        if reference.has("name"):
            yield where, reference.text("name")
        elif variable.is_secret("value"):
            yield where, SECRET
    for source in container.each("envFrom"):
        reference = source.below("secretRef")
        if reference.has("name"):
            yield f"{place}.envFrom", reference.text("name")


def _volumes(spec: Properties) -> Iterator[tuple[str, str]]:
    for volume in spec.each("volumes"):
        sources = [volume, *volume.below("projected").each("sources")]
        for source in sources:
            secret = source.below("secret")
            if source.has("secret"):
                yield f"volumes.{volume.text('name')}", secret.text("secretName", "") or secret.text("name", "")
