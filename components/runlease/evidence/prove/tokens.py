"""Service-account tokens, and whose they say they are. Nothing is verified here: Vault does that. Pure."""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runlease.access import Identity


@dataclass(frozen=True)
class Token:
    """A token of a Kubernetes service account."""

    text: str = field(repr=False)
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expires: float
    """Seconds since 1970."""
    pod: bool
    """Whether it is bound to a pod."""

    @classmethod
    def read(cls, text: str) -> "Token":
        """The claims of a token. Raises ValueError where it is none; the message holds nothing of it."""
        try:
            payload = text.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            audience: Any = claims["aud"]
            bound = claims.get("kubernetes.io") or {}
            return cls(
                text,
                str(claims.get("iss", "")),
                str(claims["sub"]),
                (audience,) if isinstance(audience, str) else tuple(audience),
                float(claims["exp"]),
                bool((bound.get("pod") or {}).get("uid")),
            )
        except (IndexError, KeyError, TypeError, AttributeError, ValueError, binascii.Error):
            raise ValueError("no token of a service account (expected a JWT with sub, aud and exp)") from None


class Claim(StrEnum):
    """In which one thing a token is not its identity's."""

    NONE = "its own token"
    ACCOUNT = "a token of another service account of the namespace"
    NAMESPACE = "a token of a service account of another namespace"
    AUDIENCE = "a token for another audience"
    EXPIRED = "an expired token"
    POD = "a token that is bound to no pod"

    @property
    def because(self) -> tuple[str, ...]:
        """Words of Vault's refusal, any of them; each version has its own sentence around them."""
        return _BECAUSE[self]

    @property
    def mend(self) -> str:
        """How to have it tried."""
        return _MEND[self]


_BECAUSE = {
    Claim.NONE: (),
    Claim.ACCOUNT: ("subject", "bound claim"),
    Claim.NAMESPACE: ("subject", "bound claim"),
    Claim.AUDIENCE: ("audience",),
    Claim.EXPIRED: ("expired",),
    Claim.POD: ("pod/uid",),
}
_OR_MINT = "or let kubectl make it: --mint"
_MEND = {
    Claim.NONE: f"give one: --token NAMESPACE/ACCOUNT=FILE, {_OR_MINT}",
    Claim.ACCOUNT: f"give one: --token NAMESPACE/ACCOUNT=FILE, {_OR_MINT} --stranger NAMESPACE/ACCOUNT",
    Claim.NAMESPACE: f"give one: --token NAMESPACE/ACCOUNT=FILE, {_OR_MINT} --stranger NAMESPACE/ACCOUNT",
    Claim.AUDIENCE: f"give one: kubectl create token ACCOUNT --audience other > FILE, {_OR_MINT}",
    Claim.EXPIRED: "keep one for 10 minutes, the shortest that Kubernetes makes: --token NAMESPACE/ACCOUNT=FILE",
    Claim.POD: f"give one: kubectl create token ACCOUNT --audience AUDIENCE > FILE, {_OR_MINT}",
}


def wrong_in(token: Token, identity: Identity, now: float) -> Claim | None:
    """The one claim that keeps a token from being this identity's. None: it is wrong in more than one."""
    wrong = []
    if token.subject != identity.subject:
        same = token.subject.startswith(f"system:serviceaccount:{identity.namespace}:")
        wrong.append(Claim.ACCOUNT if same else Claim.NAMESPACE)
    if identity.audience not in token.audiences:
        wrong.append(Claim.AUDIENCE)
    if token.expires <= now:
        wrong.append(Claim.EXPIRED)
    if not token.pod:
        wrong.append(Claim.POD)
    return Claim.NONE if not wrong else wrong[0] if len(wrong) == 1 else None


def by_claim(tokens: Iterable[Token], identity: Identity, now: float) -> dict[Claim, tuple[Token, ...]]:
    """The tokens for each way of being wrong, and the identity's own; no two of one claim alike."""
    found: dict[Claim, dict[tuple[str, tuple[str, ...]], Token]] = {}
    for token in tokens:
        claim = wrong_in(token, identity, now)
        if claim is not None:
            found.setdefault(claim, {}).setdefault((token.subject, token.audiences), token)
    return {claim: tuple(alike.values()) for claim, alike in found.items()}


def worded(claim: Claim, token: Token) -> str:
    """What is tried with a token, in words: the claim, and which one it is."""
    match claim:
        case Claim.ACCOUNT | Claim.NAMESPACE:
            return f"log in with {claim}: {'/'.join(token.subject.split(':')[2:])}"
        case Claim.AUDIENCE:
            return f"log in with {claim}: {', '.join(token.audiences)}"
        case _:
            return f"log in with {claim}"
