"""The tokens that a proof may use: given in files, or made by the cluster; and whose they are."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runlease.access import Identity
from runlease.config import ConfigError
from runlease.evidence.prove.tokens import Claim, Token, by_claim

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Wallet:
    """Tokens of leased accounts and of strangers."""

    tokens: tuple[Token, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why the cluster made none, by the subject that they would have had."""
    left: tuple[str, ...] = ()
    """Pods that were made for tokens and could not be deleted, and why."""

    def of(self, identity: Identity) -> dict[Claim, tuple[Token, ...]]:
        """The tokens by the one thing in which each is not this identity's, now."""
        return by_claim(self.tokens, identity, time.time())

    def own(self, identity: Identity) -> Token | None:
        """The identity's own token."""
        return next(iter(self.of(identity).get(Claim.NONE, ())), None)

    def why_none(self, identity: Identity) -> str:
        """Why there is no token of its own, and what mends it."""
        if identity.subject in self.problems:
            return f"no token of {identity}: {self.problems[identity.subject]}"
        return f"no token of {identity} that holds now. Fix: {Claim.NONE.mend}"


def given(options: Sequence[str]) -> tuple[Token, ...]:
    """The tokens in the files of `NAMESPACE/ACCOUNT=FILE`. Raises ConfigError with all errors at once."""
    return _each("--token", options, _given)


def accounts(options: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Namespace and name of each `NAMESPACE/ACCOUNT`. Raises ConfigError with all errors at once."""
    return _each("--stranger", options, account)


def _each(name: str, options: Sequence[str], read: Callable[[str], _Read]) -> tuple[_Read, ...]:
    found: list[_Read] = []
    wrong: list[str] = []
    for option in options:
        try:
            found.append(read(option))
        except ValueError as error:
            wrong.append(f"{name} {option}: {error}")
    if wrong:
        raise ConfigError(wrong)
    return tuple(found)


def account(option: str) -> tuple[str, str]:
    """The namespace and the name in `NAMESPACE/ACCOUNT`. Raises ValueError."""
    namespace, _, name = option.partition("/")
    if not namespace or not name or "/" in name:
        raise ValueError(f"names no account (got {option!r}, expected NAMESPACE/ACCOUNT). Fix: write ci/builder")
    return namespace, name


def _given(option: str) -> Token:
    named, _, path = option.partition("=")
    namespace, name = account(named)
    try:
        token = Token.read(Path(path).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read (got {error}). Fix: name a file with a token") from None
    subject = f"system:serviceaccount:{namespace}:{name}"
    if token.subject != subject:
        raise ValueError(f"is another account's (got {token.subject}, expected {subject}). Fix: correct the name")
    return token


def wrong_audiences(identity: Identity, others: Iterable[str]) -> tuple[str, ...]:
    """Audiences that no token of this identity may have at Vault: the API server's own, and one that looks alike."""
    tempting = (identity.issuer, *others, f"{identity.audience}-other", "vault")
    return tuple(dict.fromkeys(one for one in tempting if one != identity.audience))
