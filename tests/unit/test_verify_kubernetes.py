"""What Kubernetes answers."""

from __future__ import annotations

import pytest

from runlease.config import load
from runlease.evidence.verify.check import Answered, Found, NotTried, Told
from runlease.evidence.verify.edge_kubernetes import judge, verify_kubernetes
from runlease.readers.https import Answer, UnreachableError
from tests.unit.config_edits import settings_with

DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("kind", "answer", "id"),
    [
        ("serviceaccounts", Answer(404, {}), "LV801"),
        ("serviceaccounts", Answer(200, {}), "LV802"),
        ("serviceaccounts", Answer(200, {"automountServiceAccountToken": True}), "LV802"),
        ("configmaps", Answer(404, {}), "LV803"),
    ],
)
def test_an_object_that_is_not_as_it_was_made_is_found(kind: str, answer: Answer, id: str) -> None:
    (found,) = judge(kind, "ci", "a", answer)
    assert isinstance(found, Found)
    assert (found.id, found.where) == (id, "Kubernetes: ci/a")


def test_what_is_there_is_no_finding_and_what_may_not_be_read_is_not_tried() -> None:
    assert list(judge("serviceaccounts", "ci", "a", Answer(200, {"automountServiceAccountToken": False}))) == []
    assert list(judge("configmaps", "ci", "a", Answer(200, {}))) == []
    (missing,) = judge("configmaps", "ci", "a", Answer(403, {}))
    assert isinstance(missing, NotTried)
    assert "--resource=configmaps -n ci" in missing.fix


HERE = Answer(200, {"issuer": "https://oidc.internal"})


def asked(answers: dict[str, Answer]) -> list[Told]:
    return list(verify_kubernetes(load(settings_with()), lambda path: answers.get(path, Answer(404, {}))))


def test_each_object_of_the_settings_is_asked_for() -> None:
    answers = asked({DISCOVERY: HERE, "/version": Answer(200, {"gitVersion": "v1.34.4"})})
    assert answers[0] == Answered("Kubernetes", "kube-apiserver v1.34.4")
    assert {(one.id, one.object) for one in answers if isinstance(one, Found)} == {
        ("LV801", "ci/shop-release-migrate"),
        ("LV801", "ci/shop-check-check"),
        ("LV803", "ci/runlease-shop-prod"),
    }


def test_a_cluster_that_does_not_say_its_version_has_answered() -> None:
    assert asked({DISCOVERY: HERE})[0] == Answered("Kubernetes", "kube-apiserver")


@pytest.mark.parametrize("said", [Answer(200, {"issuer": "https://another"}), Answer(403, {})])
def test_nothing_is_missing_in_another_cluster(said: Answer) -> None:
    (missing,) = asked({DISCOVERY: said})
    assert isinstance(missing, NotTried)
    assert "another cluster" in missing.why


def test_a_cluster_that_cannot_be_asked_is_not_tried() -> None:
    def ask(_: str) -> Answer:
        raise UnreachableError("kubectl cannot be asked", "install it")

    (missing,) = verify_kubernetes(load(settings_with()), ask)
    assert (str(missing)) == "Kubernetes: Kubernetes not tried: kubectl cannot be asked. Fix: install it"
