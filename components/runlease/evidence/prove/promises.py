"""What README.md promises, a sentence each, and what a proof says of it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from runlease.evidence.prove.attempts import Promise, Row, Verdict

SENTENCES: tuple[tuple[str, Promise | str], ...] = (
    (
        "No secret stands in a pipeline definition, a Kubernetes Secret, an environment variable, a result, a log or a "
        "script.",
        "no pipeline is run, and no log is read",
    ),
    (
        "The wrong service account, namespace or audience, and a token without a pod, get nothing.",
        Promise.IDENTITY,
    ),
    (
        "With `cluster.admission`, only runs of approved Tasks get a lease, with the guard as it was deployed; nobody "
        "else gets a token of a leased account, or into its pod.",
        "no run, pod or session is asked of the cluster; docs/admission.md says how to try it",
    ),
    ("A leased login can do what its profile says, and nothing else.", Promise.PROFILE),
    (
        "Vault's own login can make and drop leased logins through four functions, and do nothing else.",
        "only Vault knows its password; `runlease verify` compares its rights",
    ),
    (
        "The guard gives the lease back within 25 s of SIGTERM, 2 s after a step died without a word, at once on "
        "`release`, `failed` or a cancel annotation, and 60 s after a step whose successor never came. Vault's TTL "
        "ends it in every other case.",
        "no guard is started; `runlease trace` shows when each lease of a run ended",
    ),
    (
        "A run leaves no login, session, sandbox schema, default privilege or owned object behind, or a quarantined "
        "login that cannot log in and is in the log.",
        Promise.NOTHING_LEFT,
    ),
    (
        "`runlease sweep` finds what dead runs left, ends it with `--apply`, and disturbs no run that works.",
        "no run is killed here; `runlease sweep` says what is left",
    ),
    (
        "`runlease diff` names each privilege that an identity or a member gains or loses, and no other.",
        "nothing is changed here",
    ),
    (
        "A second `pulumi preview` and a refresh show no change; a destroy takes no data.",
        "Pulumi is not asked",
    ),
    (
        "Every statement in the PostgreSQL log of a leased login is joined to one pod, without trusting the task.",
        "no log is read; `runlease trace --unattributed` shows it",
    ),
)
"""Each with what bears on it, or why nothing here does."""


@dataclass(frozen=True)
class Kept:
    """One promise, and how it stands."""

    sentence: str
    verdict: Verdict
    why: str


def kept(rows: Iterable[Row]) -> tuple[Kept, ...]:
    """Every promise in the order of the README."""
    found = tuple(rows)
    return tuple(
        _kept(sentence, [row for row in found if row.promise is bears])
        if isinstance(bears, Promise)
        else Kept(sentence, Verdict.NOT_TRIED, bears)
        for sentence, bears in SENTENCES
    )


def _kept(sentence: str, rows: list[Row]) -> Kept:
    broken = [row for row in rows if row.broken]
    held = sum(row.verdict is Verdict.HELD for row in rows)
    gaps = sum(row.gap for row in rows)
    if broken:
        first = f"{broken[0].lease}: {broken[0].what}"
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return Kept(sentence, Verdict.BROKEN, f"{first}{more}")
    if not held:
        return Kept(sentence, Verdict.NOT_TRIED, "nothing of it could be tried")
    if gaps:
        return Kept(sentence, Verdict.HELD, f"as far as it was tried: {held} attempts, {gaps} could not be tried")
    return Kept(sentence, Verdict.HELD, f"{held} attempts")
