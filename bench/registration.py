"""Registering 1,000 pipelines of 3 tasks: `PipelineAccess` beside a bare Pulumi program that does no more than it must.

Behind Pulumi's unit-test hook, with a monitor that only answers, so that nothing but the program is measured. Each
program runs in a process of its own: `python -m bench.registration runlease|bare PIPELINES` prints one line of JSON.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_vault as vault
from google.protobuf import json_format  # type: ignore[import-untyped]  # comes with the SDK, has no types
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.proto import resource_pb2

from bench import BenchError
from bench.table import Comparison
from lab.stack import REPOSITORY, Settings, local_settings
from runlease.provision.kubernetes import DELETE_AT_ONCE
from runlease.provision.stack import deploy, password_key

PIPELINES, ROUNDS = 1000, 3
TASKS = {"migrate": "shop-migrator", "seed": "shop-seeder", "verify": "shop-verifier"}
INSTALLATION, NAMESPACE = "shop-local", "ci"
LIFE = 1860
"""Seconds that a run token of the bare program lives."""
WRITTEN_OUT = (
    "runlease:index:PipelineIdentity",
    "kubernetes:core/v1:ServiceAccount",
    "vault:jwt/authBackendRole:AuthBackendRole",
    "vault:jwt/authBackend:AuthBackend",
    "runlease:index:ClusterTrust",
    "runlease:index:PipelineAccess",
)
"""What the bare program registers with the SDK's classes: what each task needs, and what that hangs on. The rest, some
eighty resources for any number of pipelines, it registers from what the components sent."""
Request = resource_pb2.RegisterResourceRequest


class _NoMocks(Mocks):
    """What `set_mocks` asks for; the monitor below never calls it."""

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise BenchError(f"bench: the program asked for {args.token} (expected resources only)")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise BenchError(f"bench: {args.name} got past the monitor")


class _Monitor(MockMonitor):
    """Answers every registration with what it was given, and keeps the types, or all of the requests."""

    def __init__(self, keep: bool) -> None:
        super().__init__(_NoMocks())
        self.types: list[str] = []
        self.requests: list[Request] = []
        self._keep = keep

    def RegisterResource(self, request: Request) -> resource_pb2.RegisterResourceResponse:  # noqa: N802 - Pulumi's name
        # Registrations come from several threads: append is atomic, a counter's sum is not. The stack is not counted:
        # the SDK registers it once in a process, before the first program.
        if request.type != "pulumi:pulumi:Stack":
            self.types.append(request.type)
            if self._keep:
                self.requests.append(request)
        urn = self.make_urn(request.parent, request.type, request.name)
        identifier = request.name if request.custom else ""
        answer = resource_pb2.RegisterResourceResponse(urn=urn, id=identifier, object=request.object)
        if request.type == "pulumi:index:Stash":
            answer.object.fields["output"].CopyFrom(request.object.fields["input"])
        return answer


def compare(rounds: int = ROUNDS, pipelines: int = PIPELINES) -> list[Comparison]:
    """Time and memory of both programs. Raises BenchError when they do not register the same."""
    seen: dict[str, list[dict[str, Any]]] = {"runlease": [], "bare": []}
    for turn in range(rounds):
        for program in ("runlease", "bare") if turn % 2 == 0 else ("bare", "runlease"):
            seen[program].append(_measured_apart(program, pipelines))
    (number,) = {run["registrations"] for runs in seen.values() for run in runs}
    ours, theirs, beside = seen["runlease"], seen["bare"], "bare Pulumi program"
    what = f"register {number:,} resources ({pipelines:,} pipelines x {len(TASKS)} tasks)"
    return [
        Comparison(what, "s", _column(ours, "seconds"), beside, _column(theirs, "seconds"), 1.2),
        Comparison("the same, processor time", "s", _column(ours, "cpu"), beside, _column(theirs, "cpu"), 1.2),
        Comparison("peak memory per resource", "KiB", _column(ours, "kib"), beside, _column(theirs, "kib")),
    ]


def _column(runs: list[dict[str, Any]], name: str) -> tuple[float, ...]:
    return tuple(run[name] for run in runs)


def _measured_apart(program: str, pipelines: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.registration", program, str(pipelines)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"bench.registration: {program} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _measured_here(program: str, pipelines: int) -> dict[str, Any]:
    """Run both programs once, small, so that every module is loaded; compare them; then measure one of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("ca.pem", "issuer.pem"):
            (folder / file).write_text("-----BEGIN …-----\n")
        requests = _run(lambda: deploy(folder), 1, keep=True).requests
        once = [request for request in requests if request.type not in WRITTEN_OUT]
        _must_be_alike(requests, _run(_Bare(once, 1), 1, keep=True).requests)
        measured = (lambda: deploy(folder)) if program == "runlease" else _Bare(once, pipelines)
        gc.collect()
        before, cpu, started = _peak_kib(reset=True), time.process_time(), time.perf_counter()
        number = len(_run(measured, pipelines).types)
        return {
            "registrations": number,
            "seconds": time.perf_counter() - started,
            "cpu": time.process_time() - cpu,
            "kib": (_peak_kib() - before) / number,
        }


def _must_be_alike(ours: list[Request], theirs: list[Request]) -> None:
    """The same number of each type, with the same properties down to the last key."""
    ours_by_shape, theirs_by_shape = (Counter(map(_shape, requests)) for requests in (ours, theirs))
    different = [*(ours_by_shape - theirs_by_shape), *(theirs_by_shape - ours_by_shape)]
    if different:
        raise BenchError(
            f"bench.registration: the two programs do not register the same (got a difference in {different[0]}). "
            "Fix: write into `_Bare` what the components register"
        )


def _shape(request: Request) -> tuple[str, ...]:
    def paths(value: Any, path: str) -> list[str]:
        if isinstance(value, dict):
            return [one for key in value for one in paths(value[key], f"{path}.{key}")]
        if isinstance(value, list):
            return [one for item in value for one in paths(item, f"{path}[]")]
        return [path]

    return (request.type, *sorted(paths(json_format.MessageToDict(request.object), "")))


def _peak_kib(reset: bool = False) -> int:
    """Peak resident memory of this process; `reset` begins a new peak (Linux, proc(5): clear_refs, VmHWM)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def _settings(pipelines: int) -> Settings:
    settings = local_settings()
    release = settings["pipelines"]["shop-release"]
    settings["pipelines"] = {f"app{number}-release": {**release, "tasks": TASKS} for number in range(pipelines)}
    return settings


def _run(program: Callable[[], object], pipelines: int, keep: bool = False) -> _Monitor:
    monitor, settings = _Monitor(keep), _settings(pipelines)
    set_mocks(_NoMocks(), project="runlease", stack="bench", preview=False, monitor=monitor)
    secrets = {f"runlease:{password_key(key)}": "bench" for key in settings["databases"]}
    set_all_config({"runlease:access": json.dumps(settings), **secrets}, list(secrets))

    def run() -> None:
        program()

    pulumi.runtime.test(run)()  # type: ignore[no-untyped-call]  # untyped in the SDK
    return monitor


@dataclass(frozen=True)
class _Bare:
    """The same resources with the SDK alone: no settings are read, nothing is checked or derived."""

    once: list[Request]
    """What an installation registers once, as the components registered it."""
    pipelines: int

    def __call__(self) -> None:
        """Register everything."""
        made = [_again(request) for request in self.once]
        root = pulumi.ComponentResource("runlease:index:PipelineAccess", INSTALLATION)
        known = {one.package: one for one in made if isinstance(one, pulumi.ProviderResource)}
        providers = [known["vault"], known["kubernetes"]]
        trust = pulumi.ComponentResource(
            "runlease:index:ClusterTrust", "bench-trust", {}, pulumi.ResourceOptions(parent=root)
        )
        mount = vault.jwt.AuthBackend(
            "bench-mount",
            type="jwt",
            path="shop-local-jwt",
            description="bench",
            bound_issuer="https://localhost:6443",
            jwt_validation_pubkeys=["-----BEGIN …-----"],
            opts=pulumi.ResourceOptions(parent=trust, providers=providers),
        )
        path = mount.path.apply(str)
        for number in range(self.pipelines):
            for task, lease in TASKS.items():
                self._identity(f"app{number}-release", task, lease, path, root, providers)

    def _identity(
        self,
        pipeline: str,
        task: str,
        lease: str,
        mount: pulumi.Output[str],
        root: pulumi.Resource,
        providers: list[pulumi.ProviderResource],
    ) -> None:
        account, name = f"{pipeline}-{task}", f"{INSTALLATION}-{NAMESPACE}-{pipeline}.{task}"
        component = pulumi.ComponentResource(
            "runlease:index:PipelineIdentity", name, {}, pulumi.ResourceOptions(parent=root, providers=providers)
        )
        child = pulumi.ResourceOptions(parent=component, delete_before_replace=True)
        kubernetes.core.v1.ServiceAccount(
            f"{name}-account",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=account,
                namespace=NAMESPACE,
                labels={"app.kubernetes.io/managed-by": "runlease"},
                annotations={**DELETE_AT_ONCE, "runlease/installation": INSTALLATION, "runlease/lease": lease},
            ),
            automount_service_account_token=False,
            opts=child,
        )
        vault.jwt.AuthBackendRole(
            f"{name}-role",
            backend=mount,
            role_name=f"{INSTALLATION}.{NAMESPACE}.{account}",
            role_type="jwt",
            user_claim="sub",
            bound_subject=f"system:serviceaccount:{NAMESPACE}:{account}",
            bound_audiences=[f"runlease/{INSTALLATION}"],
            bound_claims_type="glob",
            bound_claims={
                "/kubernetes.io/namespace": NAMESPACE,
                "/kubernetes.io/serviceaccount/name": account,
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
            token_policies=[f"{INSTALLATION}.{lease}"],
            token_no_default_policy=True,
            token_ttl=LIFE,
            token_max_ttl=LIFE,
            token_explicit_max_ttl=LIFE,
            token_type="service",  # noqa: S106 - a kind of token, no token
            opts=child,
        )
        component.register_outputs({})


def _again(request: Request) -> pulumi.Resource:
    properties = json_format.MessageToDict(request.object)
    if not request.custom:
        return pulumi.ComponentResource(request.type, request.name, properties)
    if request.type.startswith("pulumi:providers:"):
        return pulumi.ProviderResource(request.type.rsplit(":", 1)[1], request.name, properties)
    return pulumi.CustomResource(request.type, request.name, properties)


if __name__ == "__main__":
    print(json.dumps(_measured_here(sys.argv[1], int(sys.argv[2]))))
