"""What a sweep found as one HTML file: no network, no script, everything escaped. Pure."""

from collections.abc import Iterator

from runlease.evidence.sweep.remnants import Kind
from runlease.evidence.sweep.swept import Swept, Told
from runlease.report.frame import begin, end, listed, partial, text

_STYLE = """
li { margin: .3rem 0; overflow-wrap: anywhere; }
.left { background: var(--warn); }
"""


def as_html(swept: Swept) -> str:
    """By kind, in the order in which they are ended."""
    return "".join(_page(swept))


def _page(swept: Swept) -> Iterator[str]:
    yield begin(f"{'PARTIAL: ' if swept.partial else ''}Sweep: {swept.summary}", _STYLE)
    yield from partial(swept.partial)
    for kind in Kind:
        found = (_remnant(one) for one in swept.told if one.remnant.kind is kind)
        yield from listed(str(kind).capitalize(), found)
    yield end()


def _remnant(one: Told) -> str:
    state = f'<span class="badge{" left" if one.is_left else ""}">{text(one.outcome or "found")}</span>'
    fix = f" Fix: <code>{text(one.remnant.fix)}</code>" if one.remnant.fix else ""
    return (
        f"{state} <code>{text(one.remnant.subject)}</code> in {text(one.remnant.where)}: {text(one.remnant.why)}.{fix}"
    )
