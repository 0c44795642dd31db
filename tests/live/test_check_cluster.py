"""`runlease check` names what keeps Vault from the cluster's keys."""

from __future__ import annotations

from lab.kubernetes import Kubernetes
from tests.live.checked_stack import Stack

RBAC = "rbac.authorization.k8s.io/v1"


def test_an_issuer_that_strangers_may_not_read_is_named_until_they_may(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.settings["cluster"] = {"issuer": kubernetes.issuer, "jwks_ca": stack.settings["vault"]["ca"]}
    assert "Vault asks as nobody (got status 403" in stack.at("cluster.issuer")[0]["problem"]
    kubernetes.apply(
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": stack.key},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:service-account-issuer-discovery",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
        }
    )
    try:
        assert [one["severity"] for one in stack.check()] == ["note"]
        _judge_other_ways_to_the_keys(stack, kubernetes)
    finally:
        kubernetes.delete(RBAC, "ClusterRoleBinding", stack.key)


def _judge_other_ways_to_the_keys(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.settings["cluster"] |= {"jwks": f"{kubernetes.issuer}/openid/v1/jwks"}
    assert [one["severity"] for one in stack.check()] == ["note"]
    stack.settings["cluster"] |= {"jwks": f"{kubernetes.issuer}/.well-known/openid-configuration"}
    assert "no keys there" in stack.at("cluster.jwks")[0]["problem"]
    stack.settings["cluster"] |= {"jwks": "discovery", "issuer": kubernetes.issuer.replace("localhost", "127.0.0.1")}
    assert "is another issuer's" in stack.at("cluster.issuer")[0]["problem"]


def test_an_issuer_that_is_not_reached_from_here_is_a_warning(stack: Stack) -> None:
    stack.settings["cluster"] = {"issuer": "https://localhost:1"}
    assert "Vault must reach it" in stack.at("cluster.issuer", "warning")[0]["problem"]
    assert stack.code == 0
