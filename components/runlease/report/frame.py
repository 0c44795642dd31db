"""The beginning and end of every page of HTML: one file, no network, no inline handler, everything escaped."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files

from runlease.report.escape import printable


def begin(title: str, more_style: str = "", script: str = "") -> str:
    """Up to the headline. Nothing but this style and this script is let in by its policy; no script by default."""
    style = page_file("page.css") + more_style
    policy = f"default-src 'none'; style-src {_source_hash(style)}"
    policy += f"; script-src {_source_hash(script)}" if script else ""
    said = text(title)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{said}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n<h1>{said}</h1>\n"
    )


def partial(reasons: Iterable[str]) -> Iterator[str]:
    """What makes an answer partial, to stand at its top; nothing where it is whole."""
    if said := "; ".join(reasons):
        yield f'<p class="partial">PARTIAL: {text(said)}</p>\n'


def listed(title: str, items: Iterable[str]) -> Iterator[str]:
    """A heading with a number, and a list of items that are HTML already; nothing where there is none."""
    if found := list(items):
        yield f"<h2>{title} ({len(found)})</h2>\n<ul>\n"
        yield from (f"<li>{one}</li>\n" for one in found)
        yield "</ul>\n"


def end(script: str = "") -> str:
    """From behind the last paragraph on."""
    scripts = f"<script>{script}</script>\n" if script else ""
    return f"</main>\n{scripts}</body>\n</html>\n"


def text(value: object) -> str:
    """Anything as HTML that shows it as it is."""
    return escape(printable(str(value)))


def page_file(name: str) -> str:
    """A file of report/page."""
    return (files("runlease.report") / "page" / name).read_text(encoding="utf-8")


def _source_hash(source: str) -> str:
    """What a Content-Security-Policy lets in: this text and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
