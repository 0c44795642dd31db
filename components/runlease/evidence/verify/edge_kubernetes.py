"""Kubernetes, asked with GET: whether the service accounts and ConfigMaps of a stack are there, as they were made."""

import base64
import binascii
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runlease.access.rules import Severity
from runlease.config import Settings, identity_of, sweeper_identity
from runlease.evidence.verify.check import Found, NotTried
from runlease.readers.error import ReadError
from runlease.readers.https import Answer, UnreachableError, get
from runlease.tasks import config_map_name

_PLACE = "Kubernetes"
_UP = "pulumi up: it is a resource of the stack"


@dataclass(frozen=True)
class Cluster:
    """Where an API server is, and how one logs in there."""

    server: str
    authority: str
    """Its CA certificate in PEM."""
    token: str = field(repr=False)

    @classmethod
    def of(cls, kubeconfig: Path, context: str | None) -> "Cluster":
        """Read a kubeconfig, by default its current context. Raises ReadError where it has no CA and token."""
        try:
            config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
            chosen = _named(config, "context", context or config["current-context"])
            cluster, user = _named(config, "cluster", chosen["cluster"]), _named(config, "user", chosen["user"])
            authority = (
                base64.b64decode(cluster["certificate-authority-data"]).decode()
                if "certificate-authority-data" in cluster
                else (kubeconfig.parent / cluster["certificate-authority"]).read_text()
            )
            token = user["token"] if "token" in user else (kubeconfig.parent / user["tokenFile"]).read_text().strip()
            if not str(cluster["server"]).startswith("https://"):
                raise ValueError
            return cls(str(cluster["server"]), authority, str(token))
        except (OSError, ValueError, KeyError, TypeError, StopIteration, yaml.YAMLError, binascii.Error) as wrong:
            # Not what it says: an error of YAML quotes the file, and the token with it.
            got = f"no {wrong}" if isinstance(wrong, KeyError) else type(wrong).__name__
            raise ReadError(
                f"{kubeconfig}: cannot be used (got {got}, expected a context with an https server, its CA and a "
                "token). Fix: make one with the token of `kubectl create token`"
            ) from None


def verify_kubernetes(settings: Settings, kubeconfig: Path) -> Iterator[Found | NotTried]:
    """Ask for each object that the settings declare; what the token may not read is not tried."""
    try:
        cluster = Cluster.of(kubeconfig, settings.cluster.context)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
            authority.write(cluster.authority)
            authority.flush()
            headers = {"Authorization": f"Bearer {cluster.token}"}
            for kind, namespace, name in _declared(settings):
                url = f"{cluster.server}/api/v1/namespaces/{namespace}/{kind}/{name}"
                yield from judge(kind, namespace, name, get(url, Path(authority.name), headers))
    except (ReadError, UnreachableError) as failed:
        problem, _, fix = str(failed).partition(" Fix: ")
        yield NotTried(_PLACE, "Kubernetes", problem, fix or "open the way to it")


def judge(kind: str, namespace: str, name: str, answer: Answer) -> Iterator[Found | NotTried]:
    """What an answer means. Pure."""
    where, account = f"{namespace}/{name}", kind == "serviceaccounts"
    match answer.status:
        case 200 if account and answer.body.get("automountServiceAccountToken") is not False:
            what = "every pod of it gets a token for the API server unasked"
            yield Found("LV802", "account-automounts", Severity.MEDIUM, _PLACE, where, what, _UP)
        case 200:
            return
        case 404 if account:
            what = "is not there: no task of it can log in"
            yield Found("LV801", "account-missing", Severity.MEDIUM, _PLACE, where, what, _UP)
        case 404:
            what = "is not there: no task of the namespace finds the servers"
            yield Found("LV803", "config-map-missing", Severity.MEDIUM, _PLACE, where, what, _UP)
        case status:
            fix = f"kubectl create role reads --verb=get --resource={kind} -n {namespace}, and bind it"
            yield NotTried(_PLACE, f"{kind} {where}", f"it may not be read (got {status})", fix)


def _declared(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for pipeline, one in settings.pipelines.items():
        for task in one.tasks:
            identity = identity_of(settings, pipeline, task)
            yield "serviceaccounts", identity.namespace, identity.service_account
    if settings.sweeper is not None:
        identity = sweeper_identity(settings, settings.sweeper.namespace)
        yield "serviceaccounts", identity.namespace, identity.service_account
    for namespace in sorted({one.namespace for one in settings.pipelines.values()}):
        yield "configmaps", namespace, config_map_name(settings.installation)


def _named(config: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one[kind] for one in config[f"{kind}s"] if one["name"] == name)
    return found
