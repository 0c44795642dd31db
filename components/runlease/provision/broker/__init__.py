"""The broker: four SECURITY DEFINER functions, the only thing that Vault's login may do in a database.

Pure: the SQL stands in the `.sql` files beside this one; here it is filled with one database's names. The functions
are written against a hostile caller (docs/security-model.md), and their signatures never change, because every lease
carries its own revocation SQL.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from runlease.access.lifetimes import EXPIRY_SLACK
from runlease.access.sql import identifier, literal
from runlease.config.made import BROKER_SCHEMA

SCHEMA = BROKER_SCHEMA
"""The broker's schema in each database."""

LOGIN_PATTERN = "^run_[a-z0-9][a-z0-9_-]{8,58}$"
"""What a login may be called: at most 63 bytes, nothing that needs quoting."""


@dataclass(frozen=True)
class Allowed:
    """One line of the allow-list: this Vault login may make logins of this profile."""

    caller: str
    profile: str
    group_role: str
    longest: int
    """Longest life in seconds of a login of this profile."""
    connections: int
    runs_as_owner: bool
    own_schema: bool

    def __str__(self) -> str:
        texts = ", ".join(literal(text) for text in (self.caller, self.profile, self.group_role))
        flags = f"{str(self.runs_as_owner).lower()}, {str(self.own_schema).lower()}"
        return f"({texts}, {self.longest}, {self.connections}, {flags})"


@dataclass(frozen=True)
class BrokerFunction:
    """One function of the broker, as CREATE FUNCTION wants it."""

    name: str
    arguments: tuple[str, ...]
    """Names; every argument is text. Their types are fixed by oid when the function is made, whoever calls it."""
    returns: str
    body: str


def functions(
    allowed: Iterable[Allowed], marker: str, sweeper: str, makers: Iterable[str]
) -> tuple[BrokerFunction, ...]:
    """The four functions for one database, `reap` first because the others call it.

    `sweeper` is the group role whose members may drop what another made, whether there is one or not; `makers` are the
    database's own logins of Vault, and nothing else that was made is theirs to drop.
    """
    names = {
        "allow_list": ",\n                 ".join(map(str, allowed)) or "(NULL::text, NULL, NULL, 0, 0, false, false)",
        "marker": literal(marker),
        "sweeper": literal(sweeper),
        "makers": ", ".join(map(literal, makers)),
        "schema": identifier(SCHEMA),
        "login_pattern": literal(LOGIN_PATTERN),
        "slack": str(EXPIRY_SLACK.seconds),
    }
    return (
        BrokerFunction("reap", (), "integer", _body("reap", names)),
        BrokerFunction(
            "create_login", ("p_login", "p_verifier", "p_until", "p_profile"), "void", _body("create_login", names)
        ),
        BrokerFunction("drop_login", ("p_login",), "text", _body("drop_login", names)),
        BrokerFunction("renew_login", ("p_login", "p_until"), "void", _body("renew_login", names)),
    )


def creation_statement(profile: str) -> str:
    """What Vault runs to make a login; it fills in name, SCRAM verifier and expiry."""
    return f"SELECT {SCHEMA}.create_login('{{{{name}}}}', '{{{{password}}}}', '{{{{expiration}}}}', {literal(profile)})"


REVOCATION_STATEMENT = f"SELECT {SCHEMA}.drop_login('{{{{name}}}}')"
RENEWAL_STATEMENT = f"SELECT {SCHEMA}.renew_login('{{{{name}}}}', '{{{{expiration}}}}')"


def _body(name: str, names: dict[str, str]) -> str:
    body = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    for placeholder, value in names.items():
        body = body.replace(f"@{placeholder}@", value)
    return body
