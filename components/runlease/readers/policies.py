"""A Vault policy's text → the paths that it opens.

A small reader of our own: the languages' libraries read all of HCL 2, one policy in many milliseconds, and policies are
HCL 1. What it does not know it does not guess.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from runlease.access import PathRule
from runlease.readers.error import UnreadError

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<word>[A-Za-z_][\w-]*|-?[0-9.]+)|(?P<sign>[{}\[\]=,:])""",
    re.DOTALL,
)
_SHORT = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}
"""`policy = "read"`, the old spelling (hashicorp/vault vault/policy.go)."""
_NARROWING = {
    "denied_parameters",
    "required_parameters",
    "min_wrapping_ttl",
    "max_wrapping_ttl",
    "mfa_methods",
    "control_group",
    "comment",
    "expiration",
    "list_scan_response_keys_filter_path",
    "pagination_limit",
}
"""What takes away from a path, or says something about it; never gives more."""


@lru_cache(maxsize=4096)
def read_policy(text: str) -> tuple[PathRule, ...]:
    """The paths of a policy in HCL or JSON, in their order. Raises UnreadError, without a word of the text."""
    return tuple(_rule(path, block) for path, block in _paths(text))


def _paths(text: str) -> list[tuple[str, Any]]:
    if not text.lstrip().startswith("{"):
        return _Hcl(text).paths()
    try:
        found = json.loads(text)
        return list(found.get("path", {}).items())
    except (ValueError, AttributeError):
        raise UnreadError("policy is no policy in JSON") from None


def _rule(path: str, block: Any) -> PathRule:
    if not isinstance(block, Mapping):
        raise UnreadError("policy has a path without a block")
    unknown = set(block) - _NARROWING - {"capabilities", "policy", "allowed_parameters"}
    if unknown:
        raise UnreadError("policy says something about a path that is not known here")
    given = block.get("capabilities", [])
    if not isinstance(given, list) or not isinstance(block.get("policy", ""), str):
        raise UnreadError("policy has capabilities of another shape")
    allowed = block.get("allowed_parameters", {})
    if not isinstance(allowed, Mapping) or not all(isinstance(values, list) for values in allowed.values()):
        raise UnreadError("policy has allowed_parameters of another shape")
    capabilities = (*_SHORT.get(block.get("policy", ""), ()), *map(str, given))
    parameters = tuple((str(name), tuple(map(str, values))) for name, values in allowed.items())
    return PathRule(path.removeprefix("/"), tuple(dict.fromkeys(capabilities)), parameters)


class _Hcl:
    """`path "…" { name = value … }` and values: text, number, switch, list, mapping."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise UnreadError("policy is no policy in HCL")
            if found.lastgroup:
                self._tokens.append(found[0])
            place = found.end()
        self._next = 0

    def paths(self) -> list[tuple[str, Any]]:
        """Every `path` block; a text at the top level, such as the policy's `name`, is passed over."""
        found = []
        while self._next < len(self._tokens):
            word = self._name()
            if word == "path" and self._peek().startswith('"'):
                path = self._name()
                self._expect("{")
                found.append((path, self._mapping()))
            else:
                self._expect("=")
                if word == "path":
                    raise UnreadError("policy has its paths in another shape")
                self._value()
        return found

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        found = self._peek()
        self._next += 1
        return found

    def _expect(self, sign: str) -> None:
        if self._take() != sign:
            raise UnreadError("policy is no policy in HCL")

    def _name(self) -> str:
        found = self._take()
        if not found or found in "{}[]=,:":
            raise UnreadError("policy is no policy in HCL")
        return _text(found)

    def _value(self) -> Any:
        match self._peek():
            case "{":
                self._take()
                return self._mapping()
            case "[":
                self._take()
                return self._list()
            case _:
                return self._name()

    def _list(self) -> list[Any]:
        found = []
        while self._peek() != "]":
            found.append(self._value())
            if self._peek() == ",":
                self._take()
        self._take()
        return found

    def _mapping(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek() != "}":
            name = self._name()
            if self._peek() in ("=", ":"):
                self._take()
            if name in found:
                raise UnreadError("policy says one thing twice")
            found[name] = self._value()
            if self._peek() == ",":
                self._take()
        self._take()
        return found


def _text(token: str) -> str:
    if not token.startswith('"'):
        return token
    try:
        return str(json.loads(token))
    except ValueError:
        raise UnreadError("policy has a text that is not understood") from None
