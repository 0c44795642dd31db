"""pydantic models of `access.rules`: what the rules ask of a stack, and which findings it bears."""

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, model_validator

from runlease.access.rules import RULES, Acceptance, Bounds
from runlease.config.names import Once
from runlease.config.section import Section
from runlease.config.values import Span

_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: 00:00:00 \+0000 UTC)?")
"""As it is written, or as Pulumi hands on, and writes back, a date without quotes."""

_CHECK = re.compile(r"LV[0-9]{3}")
"""A live check of `runlease verify`, which knows them; a finding of one is accepted as that of a rule is."""


def _day(value: object) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(_DAY.fullmatch(str(value))[1])  # type: ignore[index]  # caught below
    except (TypeError, ValueError):
        raise ValueError(f"not a day (got {value!r}, expected one such as 2026-12-31). Fix: correct it") from None


def _rule(value: str) -> str:
    if value not in {rule.id for rule in RULES} and not _CHECK.fullmatch(value):
        raise ValueError(f"not a rule (got {value!r}, expected an id such as RL012). Fix: see `runlease rules`")
    return value


def _subject(value: str) -> str:
    if not value.strip() or "*" in value:
        raise ValueError(
            f"not one subject (got {value!r}, expected such as system:serviceaccount:NAMESPACE:NAME). Fix: name it"
        )
    return value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError(f"says nothing (got {value!r}). Fix: write what a reader must know")
    return value


Said = Annotated[str, AfterValidator(_said)]


class AcceptanceSettings(Section):
    """One finding that is known and borne, for a while."""

    rule: Annotated[str, AfterValidator(_rule)]
    """Id of the rule; `runlease rules` lists them. Or of a live check, such as LV302: docs/verify.md lists those."""
    where: Said
    """Where the finding is, exactly as it says. No pattern, so that nothing is accepted before it is there."""
    reason: Said
    """Why it is borne, for whoever reads the report."""
    until: Annotated[date, BeforeValidator(_day)]
    """Last day on which it holds; from the next day on the finding counts again."""


class RulesSettings(Section):
    """What the rules ask of this stack, and which findings it bears."""

    longest_lease: Span = Bounds.longest_lease
    """The most that max_ttl of a lease may be. Default 1h."""
    controllers: Annotated[tuple[Annotated[str, AfterValidator(_subject)], ...], Once] = Bounds.controllers
    """Subjects that may make pods and tokens in the namespaces of runs. Default: Tekton's controller."""
    accept: tuple[AcceptanceSettings, ...] = ()
    """Findings that are borne; each is still reported."""

    @model_validator(mode="after")
    def _accepted_once(self) -> "RulesSettings":
        places = [(one.rule, one.where) for one in self.accept]
        if twice := sorted({f"{rule} for {where}" for rule, where in places if places.count((rule, where)) > 1}):
            raise ValueError(f"accept names a finding twice (got {'; '.join(twice)}). Fix: remove one")
        return self

    @property
    def acceptances(self) -> tuple[Acceptance, ...]:
        """The findings that are borne."""
        return tuple(Acceptance(one.rule, one.where, one.reason, one.until) for one in self.accept)
