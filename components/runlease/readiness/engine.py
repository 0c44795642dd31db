"""Vault or OpenBao: whether it is there and usable, and with a token whether the installation's names are free."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from runlease.config import Settings, VaultSettings
from runlease.config.made import database_mount, jwt_mount, policy_name
from runlease.readers.https import Answer, UnreachableError, get
from runlease.readiness.findings import Finding, error, listed, note
from runlease.readiness.versions import engine_version, is_openbao

MARK = "runlease: "
"""How the description of every mount of ours begins."""


class Token(Enum):
    """What Vault thinks of the token."""

    NONE = "none"
    REFUSED = "refused"
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Engine:
    """What Vault says: `sys/health` to everybody, the rest to a token. None: not asked, or not allowed to say."""

    health: Mapping[str, Any]
    token: Token = Token.NONE
    namespace_missing: bool = False
    mounts: Mapping[str, Mapping[str, Any]] | None = None
    auths: Mapping[str, Mapping[str, Any]] | None = None
    policies: frozenset[str] | None = None


def check_engine(settings: Settings, folder: Path, token: str | None) -> Iterator[Finding]:
    """Everything that is found out about Vault. Without a token only what everybody may ask."""
    try:
        engine = _look(settings.vault, folder, token)
    except UnreachableError as failed:
        yield error("access.vault.address", failed.problem, failed.fix)
        return
    yield from judge(settings, engine)


def _look(vault: VaultSettings, folder: Path, token: str | None) -> Engine:
    ca = folder / vault.ca if vault.ca else None

    def ask(path: str, namespace: str | None) -> Answer:
        headers = {"X-Vault-Token": token or ""} | ({"X-Vault-Namespace": namespace} if namespace else {})
        return get(f"{vault.address.rstrip('/')}/v1/{path}", ca, headers if token else None)

    health = ask("sys/health", None).body
    if not token or not _serves(health):
        return Engine(health)
    if ask("auth/token/lookup-self", vault.namespace).status != 200:
        parent, _, name = (vault.namespace or "").rpartition("/")
        missing = bool(name) and ask(f"sys/namespaces/{name}", parent).status == 404
        return Engine(health, token=Token.REFUSED, namespace_missing=missing)
    mounts, auths = ask("sys/mounts", vault.namespace), ask("sys/auth", vault.namespace)
    policies = ask("sys/policies/acl?list=true", vault.namespace)
    return Engine(
        health,
        token=Token.ACCEPTED,
        mounts=_data(mounts),
        auths=_data(auths),
        policies=frozenset(_data(policies).get("keys", ())) if policies.status == 200 else None,
    )


def _data(answer: Answer) -> Any:
    return answer.body.get("data", {}) if answer.status == 200 else None


def _serves(health: Mapping[str, Any]) -> bool:
    return health.get("initialized") is True and health.get("sealed") is False


def judge(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """Every finding on Vault, in no order. Pure."""
    path, health = "access.vault.address", engine.health
    command = "bao" if is_openbao(health) else "vault"
    if "initialized" not in health:
        yield error(path, f"no Vault answers there (got {settings.vault.address})", "correct the address")
        return
    yield from engine_version(path, health)
    yield from _namespace(settings.vault, engine, command)
    if not health["initialized"]:
        yield error(path, "is not initialised (expected an unsealed Vault)", f"{command} operator init")
    elif health.get("sealed"):
        yield error(path, "is sealed (expected an unsealed Vault)", f"{command} operator unseal")
    elif engine.token is Token.NONE:
        problem = "mounts, policies and namespace are not checked (got no VAULT_TOKEN)"
        yield note(path, problem, "export VAULT_TOKEN=<the token that up runs with>")
    elif engine.token is Token.ACCEPTED:
        yield from _names(settings, engine)
    elif not engine.namespace_missing:
        yield error(path, "VAULT_TOKEN is refused", f"{command} login, and export VAULT_TOKEN=<the new token>")


def _namespace(vault: VaultSettings, engine: Engine, command: str) -> Iterator[Finding]:
    path, name = "access.vault.namespace", vault.namespace
    if name and engine.health.get("enterprise") is False:
        problem = f"this server has no namespaces (got {name} on Vault without Enterprise)"
        yield error(path, problem, "take namespace out, or use OpenBao or Vault Enterprise")
    elif engine.namespace_missing:
        yield error(path, f"no such namespace (got {name})", f"{command} namespace create {name}")


def _names(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """Names of the installation that stand for something else already."""
    installation = settings.installation
    path, mount = "access.installation", database_mount(installation)
    ours = _is_ours(engine.mounts, mount)
    yield from _taken(path, "secrets engine", engine.mounts, mount)
    if settings.vault.jwt_mount is None:
        yield from _taken(path, "auth mount", engine.auths, jwt_mount(installation))
    elif engine.auths is not None:
        yield from _existing_jwt(settings.vault.jwt_mount, engine.auths)
    policies = [policy_name(installation, lease) for lease in sorted(settings.leases)]
    taken = [policy for policy in policies if policy in (engine.policies or ())]
    if taken and not ours:
        problem = f"policies of these names exist, and another installation made them (got {listed(taken)})"
        yield error(path, problem, "name the installation otherwise, or delete them")
    if None in (engine.mounts, engine.auths, engine.policies):
        problem = "the token may not list mounts, auth mounts and policies, so they are not all checked"
        yield note(
            "access.vault.address", problem, "use a token that may read sys/mounts, sys/auth and sys/policies/acl"
        )


def _is_ours(mounts: Mapping[str, Mapping[str, Any]] | None, mount: str) -> bool:
    return str((mounts or {}).get(f"{mount}/", {}).get("description", "")).startswith(MARK)


def _taken(path: str, kind: str, mounts: Mapping[str, Mapping[str, Any]] | None, mount: str) -> Iterator[Finding]:
    found = (mounts or {}).get(f"{mount}/")
    if found is None:
        return
    if _is_ours(mounts, mount):
        problem = f"an earlier up made the {kind} (got {mount}/)"
        yield note(path, problem, "nothing to do, unless another stack made it: then name the installation otherwise")
        return
    problem = f"the {kind} {mount}/ is somebody else's (got type {found.get('type')}, {found.get('description')!r})"
    yield error(path, problem, "name the installation otherwise, or move that mount")


def _existing_jwt(mount: str, auths: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    kind = auths.get(f"{mount}/", {}).get("type")
    if kind not in ("jwt", "oidc"):
        problem = f"no JWT mount (got {mount}/ of type {kind})"
        yield error("access.vault.jwt_mount", problem, "correct the name, or take jwt_mount out: then one is made")
