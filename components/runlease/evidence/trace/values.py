"""Literals hidden: what a statement does is told, and not with which values."""

import re

_TOKENS = re.compile(
    r"""
      (?P<keep> "(?:[^"]|"")*(?:"|\Z) | \$\d+ | [A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*(?!['\w]) )
    | (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<dollar> \$(?P<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<escaped> (?<![\w$])[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z) )
    | (?P<text> (?:(?<![\w$])(?:[bBxXnN]|[uU]&))?'(?:[^']|'')*(?:'|\Z) )
    | (?P<number> (?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w* )
    """,
    re.VERBOSE | re.DOTALL,
)
_PASSWORD = re.compile(
    r"(\bPASSWORD\s+)(?:[eE]?'(?:[^']|'')*(?:'|\Z)|\$\w*\$.*?(?:\$\w*\$|\Z))", re.IGNORECASE | re.DOTALL
)
_VERIFIER = re.compile(r"SCRAM-SHA-256\$[^\s'\"]+|\bmd5[0-9a-f]{32}\b")
_CONNECTION = re.compile(r"(\bpassword\s*=\s*)[^\s'\"&]+", re.IGNORECASE)
_OBJECTS = (
    "relation column table view schema role user database function procedure type index constraint sequence trigger "
    "policy extension operator cursor savepoint parameter language domain"
).replace(" ", "|")
_QUOTED = re.compile(
    rf"""(?P<keep>\b(?:{_OBJECTS}) "(?:[^"]|"")*")|"(?:[^"]|"")*(?:"|\Z)|'(?:[^']|'')*(?:'|\Z)|(?<!\w)\d[\w.,:-]*""",
    re.IGNORECASE,
)


def hidden(statement: str) -> str:
    """The statement with `?` for every literal, and without comments."""
    return _TOKENS.sub(_shown, statement)


def hidden_message(message: str) -> str:
    """An error's text: names of objects stay; other quoted text and numbers may be values."""
    return _QUOTED.sub(lambda found: found["keep"] or "?", message)


def without_secrets(statement: str) -> str:
    """With its values, and never with a password or a verifier."""
    return _CONNECTION.sub(r"\1?", _VERIFIER.sub("?", _PASSWORD.sub(r"\1?", statement)))


def _shown(found: re.Match[str]) -> str:
    if found["keep"] is not None:
        return found["keep"]
    return " " if found["comment"] is not None else "?"
