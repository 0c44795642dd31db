"""The API server of a cluster, asked in one of two ways: by kubectl, as the person at the keyboard, or as a pod."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runlease.readers.https import Answer, UnreachableError, send

CLUSTER_TOKEN, CLUSTER_CA = "cluster-token", "cluster-ca.crt"
"""Files of an identity's folder: the token for the API server, and the API server's CA."""

_SECONDS = 30

Ask = Callable[[str], Answer]
"""One GET on the API server. Raises UnreachableError."""


def as_pod(identity: Path, environment: Mapping[str, str]) -> Ask:
    """As a pod, with the token and CA in its identity's folder."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def ask(path: str) -> Answer:
        if not host:
            raise UnreachableError("this is no pod (got no KUBERNETES_SERVICE_HOST)", "leave --identity out")
        token = (identity / CLUSTER_TOKEN).read_text(encoding="utf-8").strip()
        return send("GET", f"{address}{path}", identity / CLUSTER_CA, {"Authorization": f"Bearer {token}"})

    return ask


def by_kubectl(context: str | None, environment: Mapping[str, str]) -> Ask:
    """As the person at the keyboard."""

    def ask(path: str) -> Answer:
        done = kubectl(context, ["get", "--raw", path], environment=environment)
        if done.returncode == 0:
            return Answer(200, json.loads(done.stdout))
        if absent := re.search(r'\(NotFound\): ([a-z.]+) "', done.stderr):
            return Answer(404, {"details": {"kind": absent[1]}})
        if "(Forbidden)" in done.stderr:
            return Answer(403, {})
        raise UnreachableError(f"kubectl has no answer (got {in_one_line(done.stderr)})", "try it by hand")

    return ask


def kubectl(
    context: str | None, arguments: Sequence[str], body: object = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it, which knows every way to log in to a cluster; `body` becomes its standard input, in JSON.

    environment: default this process's own. Raises UnreachableError where it cannot be run or does not end.
    """
    command = ["kubectl", *(["--context", context] if context else []), "--request-timeout=10s", *arguments]
    try:
        return subprocess.run(
            command,
            input="" if body is None else json.dumps(body),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env=None if environment is None else dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise UnreachableError(f"kubectl cannot be asked (got {failed})", "install it, or set KUBECONFIG") from None


def in_one_line(said: str) -> str:
    """What kubectl says of a failure, not all of it where that is long."""
    return " ".join(said.split())[:300]


def expect_cluster(ask: Ask, issuer: str) -> None:
    """Raise UnreachableError where it is not the cluster of that issuer: in another one everything seems to be gone."""
    answer = ask("/.well-known/openid-configuration")
    found = answer.body.get("issuer", f"HTTP status {answer.status}")
    if found != issuer:
        raise UnreachableError(
            f"another cluster, or it does not say its issuer (got {found}, expected {issuer})",
            "choose the context of access.cluster.issuer, or let this identity read its discovery document",
        )
