"""Names come from servers and from other people's files: none is ever markup, or moves a terminal's cursor."""

import re


def printable(text: str) -> str:
    """Control characters and the like, written out: `\\\\x1b`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def code_span(text: str) -> str:
    """Markdown that shows `text` as it is, backticks included. A span has no links, mentions, HTML or emphasis."""
    clean = printable(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", clean)), default=0) + 1)
    pad = " " if clean.startswith("`") or clean.endswith("`") or not clean.strip() else ""
    return f"{fence}{pad}{clean}{pad}{fence}"
