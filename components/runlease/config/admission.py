"""Settings of the admission policies: who deploys, who is Tekton, and which Tasks a leased service account may run."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from runlease.config.names import Label, Once
from runlease.config.section import Section

UserName = Annotated[str, Field(min_length=1)]
"""As kube-apiserver knows somebody: `kubectl auth whoami`."""

_EVERYONE = ("system:authenticated", "system:unauthenticated", "system:serviceaccounts")
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class DeployerSettings(Section):
    """Who writes the Tasks, the ConfigMap and the leased service accounts."""

    users: Annotated[tuple[UserName, ...], Once] = ()
    """User names, such as `system:serviceaccount:deploy:pulumi`."""
    groups: Annotated[tuple[UserName, ...], Once] = ()
    """Groups whose every member deploys."""

    @model_validator(mode="after")
    def _somebody_and_not_everybody(self) -> "DeployerSettings":
        if not self.users and not self.groups:
            raise ValueError(
                "nobody, so that the next up would be refused (got no users and no groups, expected whoever runs "
                "pulumi). Fix: name the user that `kubectl auth whoami` shows"
            )
        if everyone := [group for group in self.groups if group in _EVERYONE]:
            raise ValueError(f"everyone (got {', '.join(everyone)}, expected a group of deployers). Fix: name users")
        return self


class ApprovedTaskSettings(Section):
    """A Task that leased service accounts may run; its name is the key, unless a resolver finds it elsewhere."""

    resolver: Literal["bundles", "cluster", "git"] | None = None
    """Tekton resolver that finds it. Default: it stands in the namespace of the run, under the key."""
    params: dict[str, str] = Field(default_factory=dict)
    """The resolver's parameters, all of them; a run must give exactly these."""
    may_set: Annotated[tuple[str, ...], Once] = ()
    """Parameters that a run may set, beside the `lease` of its own account. Default: none."""

    @model_validator(mode="after")
    def _pinned(self) -> "ApprovedTaskSettings":
        match self.resolver:
            case None:
                fits, expected = not self.params, "no params without a resolver"
            case "bundles":
                fits = bool(_DIGEST.fullmatch(self.params.get("bundle", "")))
                expected = "bundle with a digest, …@sha256:<64 digits>"
            case "git":
                fits = bool(_COMMIT.fullmatch(self.params.get("revision", "")))
                expected = "revision with a whole commit, which no push can change"
            case "cluster":
                fits = {"namespace", "name"} <= set(self.params) and self.params.get("kind") == "task"
                expected = "kind: task, name and namespace"
        if not fits or any("$(" in value for value in self.params.values()):
            raise ValueError(
                f"does not say what runs (got {self.params}, expected {expected}, and nothing that a run fills in). "
                "Fix: complete params"
            )
        return self


class AdmissionSettings(Section):
    """ValidatingAdmissionPolicies around the leased service accounts; Kubernetes 1.30 or newer."""

    deployers: DeployerSettings
    controller: UserName = "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"
    """Tekton's controller, which alone makes pods of leased accounts. Default: where Tekton's own release puts it."""
    resolvers: UserName = "system:serviceaccount:tekton-pipelines-resolvers:tekton-pipelines-resolvers"
    """Tekton's resolvers, which alone say what a reference resolves to. Default: as above."""
    tasks: dict[Label, ApprovedTaskSettings] = Field(default_factory=dict)
    """More approved Tasks. One of runlease's own is named here to change what a run may set."""
