"""What was verified as one HTML file, for an auditor to keep: no network, no script, everything escaped. Pure."""

from collections.abc import Iterator

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Found, NotTried, Verified
from runlease.evidence.verify.told import headline
from runlease.report.frame import begin, end, listed, partial, text

_STYLE = """
ul { list-style: none; padding: 0; }
li { border: 1px solid var(--line); border-radius: .35rem; padding: .5rem .7rem; margin: .5rem 0; overflow-wrap: anywhere; }
li p { margin: .15rem 0; }
pre { margin: .25rem 0 0; padding: .4rem .6rem; background: var(--soft); border-radius: .25rem; font: .85rem/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
"""  # noqa: E501 - CSS, one rule a line


def as_html(verified: Verified) -> str:
    """The worst first, as in the text; in its first line whether the answer is the whole one."""
    return "".join(_page(verified))


def _page(verified: Verified) -> Iterator[str]:
    yield begin(headline(verified), _STYLE)
    yield from partial(f"{one.place}: {one.what}" for one in verified.not_tried)
    for severity in sorted(Severity, reverse=True):
        found = [_found(one) for one in verified.counting if one.severity is severity]
        yield from listed(str(severity).capitalize(), found)
    yield from listed("Accepted", [_found(one) for one in verified.found if one.accepted is not None])
    yield from listed("Not tried", map(_not_tried, verified.not_tried))
    yield from listed("Answered", (f"<p>{text(one)}</p>" for one in verified.answered))
    yield end()


def _found(one: Found) -> str:
    badge = f'<span class="badge {text(one.severity)}">{text(one.severity)}</span>'
    name = f"<p>{badge} <strong>{text(one.id)}</strong> {text(one.name)}</p>"
    said = f"<p><code>{text(one.where)}</code></p><p>{text(one.what)}</p>"
    accepted = f'<p class="dim">{text(one.accepted)}</p>' if one.accepted else ""
    return name + said + accepted + _mend("Mend", one.mend)


def _not_tried(one: NotTried) -> str:
    where = f"<strong>{text(one.what)}</strong>"
    return f"<p>{where}</p><p><code>{text(one.place)}</code></p><p>{text(one.why)}</p>{_mend('Fix', one.fix)}"


def _mend(word: str, how: str) -> str:
    return f'<p class="dim">{word}</p><pre>{text(how)}</pre>'
