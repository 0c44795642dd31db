"""How a secret looks, and how a place is called that holds one. A text is never returned, so it is never printed."""

import re

_NAMED = re.compile(r"pass(word|wd|phrase)|secret|token|credential|private[-_]?key|api[-_]?key", re.IGNORECASE)
_SHAPES = re.compile(
    r"""
      \bhv[bsr]\.[A-Za-z0-9_-]{20,}                                 # Vault, from 1.10 on
    | \b[bsr]\.[A-Za-z0-9]{24,}\b                                   # OpenBao, and Vault before
    | \beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.                # a signed token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | \b[a-z][a-z0-9+.-]*://[^\s:/@'"$]+:(?![$%{<*])[^\s/@'"]+@     # a URL with a password
    | \b(?:PGPASSWORD|VAULT_TOKEN|BAO_TOKEN)=['"]?(?![$'"\s])\S     # set to a text, not to a variable
    | \bAKIA[0-9A-Z]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{36}
    | \bSCRAM-SHA-256\$\d+:
    """,
    re.VERBOSE,
)
_NO_SECRET = re.compile(r"\$\([^)]*\)|/\S*|[0-9]+[smhd]?|true|false", re.IGNORECASE)
"""A reference to something else, a path, a number, a duration or a switch."""


def names_secret(place: str) -> bool:
    """Whether the last part of a place (`params.db-password`) is a secret's name."""
    return _NAMED.search(place.rpartition(".")[2]) is not None


def holds_value(text: str) -> bool:
    """Whether a text is a value of its own."""
    return bool(text.strip()) and _NO_SECRET.fullmatch(text.strip()) is None


def holds_secret(text: str) -> bool:
    """Whether something in a text has the shape of a secret."""
    return _SHAPES.search(text) is not None
