"""Statements of Vault's database engine → the role that a login is made a member of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runlease.access.rules.statements import plain
from runlease.config.made import BROKER_SCHEMA
from runlease.readers.error import UnreadError

_BROKER = re.compile(
    rf"SELECT {BROKER_SCHEMA}\.create_login\("
    r"'\{\{(?:name|username)\}\}', '\{\{password\}\}', '\{\{expiration\}\}', '([a-z_]+)'\)"
)
_NAME = r"(?:\"[^\"]+\"|[A-Za-z_][\w$]*)"
_LOGIN = r"\"?\{\{(?:name|username)\}\}\"?"
_CREATE = re.compile(rf"CREATE\s+(?:ROLE|USER)\s+{_LOGIN}\s*(?P<options>.*)", re.IGNORECASE | re.DOTALL)
_GRANT = re.compile(rf"GRANT\s+(?P<roles>{_NAME}(?:\s*,\s*{_NAME})*)\s+TO\s+{_LOGIN}", re.IGNORECASE)
_SETTING = re.compile(rf"ALTER\s+(?:ROLE|USER)\s+{_LOGIN}\s+SET\s+\w+\s*(?:=|\bTO\b)\s*[^;]*", re.IGNORECASE)
_IN_ROLE = re.compile(rf"\bIN\s+(?:ROLE|GROUP)\s+(?P<roles>{_NAME}(?:\s*,\s*{_NAME})*)", re.IGNORECASE)
_HARMLESS = re.compile(
    r"\s+|WITH\b|(?:ENCRYPTED\s+)?PASSWORD\s+'[^']*'|VALID\s+UNTIL\s+'[^']*'|CONNECTION\s+LIMIT\s+-?\d+"
    r"|(?:NO)?(?:INHERIT|LOGIN)\b|NO(?:SUPERUSER|CREATEDB|CREATEROLE|REPLICATION|BYPASSRLS)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Creation:
    """What creation statements give a login: a role by name, or a profile that the broker knows the role of."""

    role: str = ""
    profile: str = ""


def read_creation(statements: Iterable[str]) -> Creation:
    """The one role that a login gets; none at all is possible. Raises UnreadError for everything else."""
    pieces = [piece.strip() for one in statements for piece in plain(one).split(";") if piece.strip()]
    if len(pieces) == 1 and (found := _BROKER.fullmatch(pieces[0])):
        return Creation(profile=found[1])
    roles = sorted({role for piece in pieces for role in _roles(piece)})
    if len(roles) > 1:
        raise UnreadError(f"its logins are members of several roles, and one is followed (got {', '.join(roles)})")
    return Creation(role=roles[0] if roles else "")


def _roles(piece: str) -> list[str]:
    if found := _CREATE.fullmatch(piece):
        options = found["options"]
        if _HARMLESS.sub("", _IN_ROLE.sub("", options)):
            raise UnreadError("its logins are made with options that are not understood")
        return _names(_IN_ROLE.search(options))
    if found := _GRANT.fullmatch(piece):
        return _names(found)
    if _SETTING.fullmatch(piece):
        return []
    raise UnreadError("its creation statements do more than make a login in a role, and that is not followed")


def _names(found: re.Match[str] | None) -> list[str]:
    if found is None:
        return []
    names = re.findall(_NAME, found["roles"])
    return [name[1:-1] if name.startswith('"') else name.lower() for name in names]
