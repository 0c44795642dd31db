"""What a bundle is made of: commands that anybody can run again, and what each file supports. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from runlease.evidence.bundle.controls import Control


@dataclass(frozen=True)
class Wanted:
    """Of what, and out of what, a bundle is made."""

    stack_file: str
    verify: tuple[str, ...] = ()
    """More arguments of `runlease verify`; with `--kubernetes` in them the cluster is asked."""
    prove: tuple[str, ...] | None = None
    """More arguments of `runlease verify --prove`; None: no lease is taken."""
    trace: tuple[str, ...] | None = None
    """Logs and period, as arguments of `runlease trace`; None: no logs were named."""


@dataclass(frozen=True)
class Piece:
    """One file of the bundle: what `runlease …` printed."""

    file: str
    arguments: tuple[str, ...]
    says: str
    controls: tuple[Control, ...]
    found: frozenset[int] = field(default=frozenset({3, 5}))
    """Exit codes with which the command names something to mend."""
    partial: frozenset[int] = field(default=frozenset({4, 5}))
    """Exit codes with which it could not see everything."""

    @property
    def command(self) -> str:
        """As it would be typed."""
        return " ".join(("runlease", *(word if word and " " not in word else f"'{word}'" for word in self.arguments)))


_JUDGED = frozenset({10, 11, 12, 13})
_ACCESS = (Control.CC6_1, Control.CC6_3, Control.AC_2, Control.AC_6, Control.CM_3)
_LIVE = (
    Control.CC6_1,
    Control.CC6_2,
    Control.CC6_3,
    Control.CC6_6,
    Control.CC7_2,
    Control.AC_2,
    Control.AC_2_3,
    Control.AC_6,
    Control.AC_6_9,
    Control.SC_8,
)
_PROOF = (Control.CC6_1, Control.CC6_3, Control.AC_3, Control.AC_6, Control.IA_5, Control.SC_8)
_TRACED = (
    Control.CC6_2,
    Control.CC7_2,
    Control.AC_2_3,
    Control.AC_6_9,
    Control.AU_3,
    Control.AU_6,
    Control.AU_10,
    Control.IA_5,
)


def pieces(wanted: Wanted) -> Iterator[Piece]:
    """Every file, in the order of a reader."""
    report = ("report", wanted.stack_file, "--fail-on", "low")
    for kind in ("html", "json"):
        says = "who can do what, as it is declared; broken rules, and those that were accepted, by whom and until when"
        yield Piece(f"access.{kind}", (*report, "--format", kind), says, _ACCESS, _JUDGED, frozenset())
    rules = "the rules that the access was judged by"
    yield Piece(
        "rules.json", ("rules", "--format", "json"), rules, (Control.CC6_3, Control.CM_3), frozenset(), frozenset()
    )
    for kind, name in (("html", "verify.html"), ("json", "verify.json")):
        arguments = ("verify", wanted.stack_file, *wanted.verify, "--format", kind)
        yield Piece(name, arguments, "what is live, against what is declared, and what was not looked at", _LIVE)
    if wanted.prove is not None:
        arguments = ("verify", wanted.stack_file, "--prove", *wanted.prove, "--format", "json")
        says = "leases that were taken, and each thing that was tried with them: what must work, and what must not"
        yield Piece("prove.json", arguments, says, _PROOF)
    if wanted.trace is not None:
        trace = ("trace", *wanted.trace)
        says = "what leased logins did in the period, each statement with its run; literals are hidden"
        yield Piece("trace.jsonl", (*trace, "--format", "json"), says, _TRACED)
        says = "sessions and statements of leased logins that no lease explains"
        yield Piece("unattributed.txt", (*trace, "--unattributed", "--format", "text"), says, _TRACED)


def left_out(wanted: Wanted) -> tuple[str, ...]:
    """What was not asked for, and so is not shown."""
    missing = []
    if "--kubernetes" not in wanted.verify:
        missing.append("no look at Kubernetes: the cluster was not asked (give --cluster)")
    if wanted.prove is None:
        missing.append("no proof: no lease was taken (give --token or --mint)")
    if wanted.trace is None:
        missing.append("no trace: no log was named (give --postgres-log and --audit-log)")
    return tuple(missing)
