"""SQL as Vault's database engine is given it, read just well enough to find what a statement must not do."""

import base64
import json
import re
from contextlib import suppress

_TOKEN = re.compile(
    r"""(?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')|--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*\"""", re.DOTALL
)
"""Texts, which may be statements themselves and stay; comments and quoted names, which do not."""
_GRANT_ON = re.compile(r"\bGRANT\b[^;]*?\bON\b[^;]*?\bTO\b", re.IGNORECASE)
_DEFAULTS = re.compile(r"\bALTER\s+DEFAULT\s+PRIVILEGES\b(?!\s+FOR\s+(?:ROLE|USER)\b)", re.IGNORECASE)


def plain(statement: str) -> str:
    """A statement as the engine runs it: it takes base64 and a JSON list as well (ParseArbitraryStringSlice)."""
    text = statement.strip()
    with suppress(ValueError):
        text = base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True).decode()
    try:
        listed = json.loads(text)
    except ValueError:
        return text
    return ";\n".join(map(str, listed)) if isinstance(listed, list) else text


def is_empty(statement: str) -> bool:
    """Whether a statement does nothing: blank, a comment, a lone semicolon."""
    return not re.sub(r"--[^\n]*|/\*.*?\*/|;", "", plain(statement), flags=re.DOTALL).strip()


def grants_on_objects(statement: str) -> bool:
    """Whether a statement holds `GRANT … ON … TO`, in a DO block or a text as well. A role's grant has no ON."""
    return _GRANT_ON.search(_seen(statement)) is not None


def defaults_of_whoever_runs_it(statement: str) -> bool:
    """Whether a statement alters default privileges without FOR ROLE."""
    return _DEFAULTS.search(_seen(statement)) is not None


def _seen(statement: str) -> str:
    return _TOKEN.sub(lambda found: found["text"] or ' "" ', plain(statement))
