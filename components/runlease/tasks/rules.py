"""What would break the promise of a lease, in a Task whose shape is right. Pure; everything at once."""

import re
from collections.abc import Iterator, Mapping, Set
from posixpath import normpath
from typing import Any

from runlease.tasks.refusal import Refusal

Document = Mapping[str, Any]

STEPS = frozenset({"check", "release", "handover", "failed"})
"""Names that no step of a user's has: of our steps, and the words of the dead-man line."""
SIDECARS = frozenset({"guard"})
PRIVATE = ("/runlease", "/var/run/secrets/kubernetes.io", "/run/secrets/kubernetes.io")
LIBPQ = re.compile(
    r"PG(?:HOST(?:ADDR)?|PORT|DATABASE|USER|PASSWORD|PASSFILE|SERVICE(?:FILE)?|SYSCONFDIR|OPTIONS|APPNAME|CLIENTENCODING|"
    r"SSL[A-Z]+|REQUIRE[A-Z]+|CHANNELBINDING|GSS[A-Z]+|KRBSRVNAME|TARGETSESSIONATTRS|LOADBALANCEHOSTS)"
)
"""What libpq reads of the environment to connect (https://www.postgresql.org/docs/current/libpq-envars.html)."""
SHELL = frozenset({"connections", "dir", "step", "tries", "watchdog"})
"""Variables of steps/wrapped.sh: a step's own of that name would change under it."""
_UNSAFE = re.compile(
    r"\$\((?:(?:inputs\.)?params[.\[]|steps\.[^()]*\.results\b|tasks\.|workspaces\.[^()]*\.(?:claim|volume)\))"
)
"""Variables of Tekton whose values somebody else chooses. Paths, and names of the context, are Tekton's own."""


def refusals(spec: Document, run_as_user: int | None, params: Set[str], variables: Set[str]) -> Iterator[Refusal]:
    """Every reason not to wrap. `params`: ours by name. `variables`: what holds a URL in the steps' environment."""
    for place, param in enumerate(_many(spec, "params")):
        if param["name"] in params:
            yield _clash(f"spec.params[{place}]", param["name"])
    for place, volume in enumerate(_many(spec, "volumes")):
        yield from _volume(f"spec.volumes[{place}]", volume)
    yield from _workspaces("spec", spec)
    template = spec.get("stepTemplate") or {}
    yield from _template("spec.stepTemplate", template)
    yield from _runs("spec.stepTemplate", template, run_as_user, variables)
    for place, sidecar in enumerate(_many(spec, "sidecars")):
        where = f"spec.sidecars[{place}]"
        if sidecar.get("name") in SIDECARS:
            yield _clash(where, sidecar["name"])
        yield from _sees(where, sidecar)
    for place, step in enumerate(spec["steps"]):
        where = f"spec.steps[{place}]"
        yield from _step(where, step)
        yield from _runs(where, step, run_as_user, variables)


def pod_template(where: str, template: Document) -> Iterator[Refusal]:
    """Reasons why a run must not give its pods this template."""
    yield from _environment(where, template, frozenset())
    for place, volume in enumerate(_many(template, "volumes")):
        yield from _volume(f"{where}.volumes[{place}]", volume)
    if template.get("automountServiceAccountToken"):
        yield Refusal(
            f"{where}.automountServiceAccountToken",
            "it gives a token to every step",
            "true",
            "false or nothing",
            "take it out",
        )


def _template(where: str, template: Document) -> Iterator[Refusal]:
    for key in ("command", "args"):
        if template.get(key):
            yield Refusal(
                f"{where}.{key}", "every step would get it, ours too", key, "nothing", "write it in the steps"
            )


def _step(where: str, step: Document) -> Iterator[Refusal]:
    script = step.get("script") or ""
    if step.get("name") in STEPS:
        yield _clash(where, step["name"])
    if step.get("ref"):
        fix = "write its image and script in this step, or run it in a Task before this one"
        yield Refusal(f"{where}.ref", "a StepAction does not hold the lease", str(step["ref"]), "a step", fix)
    elif not script and not step.get("command"):
        fix = "name the program that the image runs, in `command`"
        yield Refusal(where, "what it runs is known to its image alone", "nothing", "a command or a script", fix)
    if script and step.get("command"):
        yield Refusal(where, "two things to run", "command and script", "one", "take one out")
    if "timeout" in step:
        fix = "take it out; write `timeout 300 …` in the step, or set the TaskRun's timeout"
        yield Refusal(f"{where}.timeout", "it kills without a trap", str(step["timeout"]), "nothing", fix)
    if step.get("onError") not in (None, "stopAndFail"):
        fix = "take it out, and let the step itself end well (`tool || true`)"
        problem = "a step that fails gives the lease back"
        yield Refusal(f"{where}.onError", problem, str(step["onError"]), "stopAndFail", fix)
    if script.lstrip().startswith("#!win"):
        yield Refusal(f"{where}.script", "the guard's files need Linux", "#!win", "a POSIX system", "use Linux images")
    for variable in sorted({found[0] for found in _UNSAFE.finditer(script)}):
        problem, fix = "text of somebody else's would become code", 'pass it in `env`, and write "$NAME" in the script'
        yield Refusal(f"{where}.script", problem, f"{variable}…", "no such variable in a script", fix)


def _runs(where: str, container: Document, run_as_user: int | None, variables: Set[str]) -> Iterator[Refusal]:
    security = container.get("securityContext") or {}
    yield from _sees(where, container)
    yield from _environment(where, container, variables)
    user = security.get("runAsUser", run_as_user)
    if user != run_as_user:
        fix = f"take it out, or wrap with --run-as-user {user}" if user else "take it out: no step runs as root"
        expected = str(run_as_user or "the platform's own user")
        problem = "the passfile is for one user, the guard's"
        yield Refusal(f"{where}.securityContext.runAsUser", problem, str(user), expected, fix)
    if security.get("runAsNonRoot") is False:
        path = f"{where}.securityContext.runAsNonRoot"
        yield Refusal(path, "no step runs as root", "false", "true", "take it out")


def _sees(where: str, container: Document) -> Iterator[Refusal]:
    """What a container could see of the guard's."""
    if (container.get("securityContext") or {}).get("privileged"):
        path = f"{where}.securityContext.privileged"
        yield Refusal(path, "it could read the guard's token on the node", "true", "false", "take it out")
    yield from _workspaces(where, container)
    for place, mount in enumerate(_many(container, "volumeMounts")):
        at = f"{where}.volumeMounts[{place}]"
        for key in ("name", "mountPath"):
            if "$(" in mount[key]:
                problem = "who starts a run would choose what is mounted, or where"
                yield Refusal(f"{at}.{key}", problem, mount[key], "a plain value", "write the value")
        if mount["name"].startswith("runlease-"):
            problem = "a volume of the guard's"
            yield Refusal(f"{at}.name", problem, mount["name"], "a volume of the Task's own", "take it out")
        yield from _path(f"{at}.mountPath", mount["mountPath"])


def _workspaces(where: str, owner: Document) -> Iterator[Refusal]:
    for place, workspace in enumerate(_many(owner, "workspaces")):
        yield from _path(f"{where}.workspaces[{place}].mountPath", workspace.get("mountPath") or "")


def _path(where: str, path: str) -> Iterator[Refusal]:
    plain = "/" + normpath(path).lstrip("/")
    if path and any(plain == private or plain.startswith(f"{private}/") for private in PRIVATE):
        yield Refusal(where, "a place of the guard's or of a token's", path, "another path", "mount it elsewhere")


def _environment(where: str, container: Document, variables: Set[str]) -> Iterator[Refusal]:
    for place, variable in enumerate(_many(container, "env")):
        name = variable["name"]
        if name in SHELL:
            problem = "the lines that hold the lease use this name"
            yield Refusal(f"{where}.env[{place}]", problem, name, "another name", "rename it")
        elif name in variables or name.startswith("RUNLEASE_") or LIBPQ.fullmatch(name):
            problem = "the connection comes from the lease"
            yield Refusal(f"{where}.env[{place}]", problem, name, "nothing that changes it", "take it out")


def _volume(where: str, volume: Document) -> Iterator[Refusal]:
    if volume["name"].startswith("runlease-"):
        yield _clash(where, volume["name"])
    if "hostPath" in volume:
        problem = "the node's files hold the tokens of its pods"
        yield Refusal(f"{where}.hostPath", problem, "hostPath", "a volume of the pod's", "use another kind of volume")
    for place, source in enumerate(_many(volume.get("projected") or {}, "sources")):
        if "serviceAccountToken" in source:
            path, fix = f"{where}.projected.sources[{place}]", "take it out; what needs a token is a Task of its own"
            problem = "no container but the guard has a token"
            yield Refusal(path, problem, "serviceAccountToken", "another source", fix)


def _clash(where: str, name: str) -> Refusal:
    return Refusal(f"{where}.name", "the wrapped Task has something of this name", name, "another name", "rename it")


def _many(owner: Document, key: str) -> list[Any]:
    found: list[Any] = owner.get(key) or []
    return found
