"""Kubernetes, asked with GET: whether the service accounts and ConfigMaps of a stack are there, as they were made."""

from collections.abc import Iterator

from runlease.access.rules import Severity
from runlease.config import Settings, kubernetes_objects
from runlease.evidence.verify.check import Answered, Found, NotTried, Told
from runlease.readers.api_server import Ask, expect_cluster
from runlease.readers.https import Answer, UnreachableError

_PLACE = "Kubernetes"
_UP = "pulumi up: it is a resource of the stack"


def verify_kubernetes(settings: Settings, ask: Ask) -> Iterator[Told]:
    """Ask for each object that the settings declare; what may not be read is not tried."""
    try:
        expect_cluster(ask, settings.cluster.issuer)
        yield Answered(_PLACE, f"kube-apiserver {ask('/version').body.get('gitVersion', '')}".strip())
        for kind, namespace, name in kubernetes_objects(settings):
            answer = ask(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
            yield from judge(kind, namespace, name, answer)
    except UnreachableError as failed:
        yield NotTried(_PLACE, "Kubernetes", failed.problem, failed.fix)


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
