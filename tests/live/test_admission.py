"""The admission policies on a real API server: what is refused, what is not, and that it is they who refuse it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.kubernetes import Kubernetes
from lab.tekton_crds import FOLDER, find_crds, install_crds
from tests.live.accepted import ACCEPTED
from tests.live.attempts import FORGED, INLINE, OWNER, PODS, REQUESTS, TASK_RUNS, large_pod, pod, run
from tests.live.namespaces import ACCOUNTS, CONTROLLER, DEVELOPER, Attempt, Namespace, furnish, remove_policies
from tests.live.refused import REFUSED


@pytest.fixture(scope="module")
def cluster(kubernetes: Kubernetes) -> Kubernetes:
    """The lab's API server with Tekton's own schemas of what is created here."""
    folder = find_crds()
    if folder is None:
        pytest.skip(f"no definitions of Tekton's resources at hand: export {FOLDER}=<folder> with <kind>.yaml of each")
    install_crds(kubernetes, folder, ("taskrun", "pipelinerun", "resolutionrequest"))
    return kubernetes


@pytest.fixture(scope="module")
def guarded(cluster: Kubernetes) -> Namespace:
    """A namespace where the policies stand, and have stood until they took effect."""
    return _furnished(cluster, "guarded")


@pytest.fixture(scope="module")
def stripped(cluster: Kubernetes) -> Namespace:
    """The same, from which they were taken away again."""
    namespace = _furnished(cluster, "stripped")
    remove_policies(namespace)
    namespace.wait_until(lambda: not any(namespace.refusal(one) for one in _first_of_each()))
    return namespace


def _furnished(cluster: Kubernetes, name: str, accounts: Mapping[str, str] = ACCOUNTS) -> Namespace:
    before = run(metadata={"name": "from-before"}, taskRef={"name": "retired"})
    namespace = furnish(cluster, name, accounts, [before])
    for made in _in_use():
        namespace.send(made, keep=True)
    namespace.wait_until(lambda: all(namespace.refusal(one) for one in _first_of_each()))
    return namespace


def _first_of_each() -> list[Attempt]:
    return [next(iter(attempts.values())) for attempts in REFUSED.values()]


def _in_use() -> list[Attempt]:
    """What is there already when something is tried on it."""
    busy = run(by=CONTROLLER, metadata={"name": "busy", "labels": FORGED, "ownerReferences": [OWNER]})
    others = {"harmless": {}, "forged": {"labels": FORGED}}
    request = {
        "apiVersion": "resolution.tekton.dev/v1beta1",
        "kind": "ResolutionRequest",
        "metadata": {"name": "busy"},
        "spec": {"params": []},
    }
    return [
        Attempt(CONTROLLER, "POST", PODS, pod("busy-pod")),
        Attempt(CONTROLLER, "POST", PODS, large_pod("large-pod")),
        Attempt(DEVELOPER, "POST", PODS, pod("database", "builder")),
        busy,
        *(
            run(
                by=DEVELOPER,
                metadata={"name": name, **more},
                serviceAccountName="builder",
                taskRef=None,
                taskSpec=INLINE,
            )
            for name, more in others.items()
        ),
        Attempt(CONTROLLER, "POST", REQUESTS, request),
    ]


EACH = [
    pytest.param(policy, attempt, id=f"{policy}: {name}")
    for policy, attempts in REFUSED.items()
    for name, attempt in attempts.items()
]


@pytest.mark.parametrize(("policy", "attempt"), EACH)
def test_a_way_round_the_guard_is_refused(guarded: Namespace, policy: str, attempt: Attempt) -> None:
    refusal = guarded.refusal(attempt)
    assert f"'runlease.admitted.guarded.{policy}'" in refusal
    assert "Fix: " in refusal


@pytest.mark.parametrize(("policy", "attempt"), EACH)
def test_and_is_open_once_the_policies_are_gone(stripped: Namespace, policy: str, attempt: Attempt) -> None:
    assert stripped.refusal(attempt) == ""


@pytest.mark.parametrize("attempt", [pytest.param(attempt, id=name) for name, attempt in ACCEPTED.items()])
def test_honest_use_is_accepted(guarded: Namespace, attempt: Attempt) -> None:
    assert guarded.refusal(attempt) == ""


def test_a_status_that_is_given_with_a_new_run_is_not_stored(guarded: Namespace) -> None:
    made = run(metadata={"name": "with-status"})
    stored = guarded.send(Attempt(made.by, "POST", TASK_RUNS, {**(made.body or {}), "status": {"taskSpec": INLINE}}))
    assert "taskSpec" not in stored.get("status", {})


def test_a_namespace_with_as_many_accounts_as_fit_is_judged_like_another(cluster: Kubernetes) -> None:
    many = {f"pipeline-{number}-migrate": "shop-migrator" for number in range(2_300)}
    crowded = _furnished(cluster, "crowded", {**ACCOUNTS, **many})
    for honest in ("Tekton makes a run's pod", "a kubelet gets its pod's token", "a run of the Task"):
        assert crowded.refusal(ACCEPTED[honest]) == ""
