"""What a Task is refused for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Refusal:
    """One thing in a document that would break what a lease promises."""

    path: str
    """Where in the document: `spec.steps[0].timeout`."""
    problem: str
    got: str
    expected: str
    fix: str
    document: str = ""
    """Which document, when there is more than one thing that it could be: `Task flyway`."""

    def __str__(self) -> str:
        where = ": ".join(filter(None, (self.document, self.path)))
        return f"{where}: {self.problem} (got {self.got}, expected {self.expected}). Fix: {self.fix}"


class WrapError(ValueError):
    """Something cannot be wrapped; `refusals` holds every reason, `messages` a line for each."""

    def __init__(self, refusals: Iterable[Refusal], document: str = "") -> None:
        self.refusals = tuple(replace(one, document=one.document or document) for one in refusals)
        self.messages = [str(refusal) for refusal in self.refusals]
        super().__init__("\n".join(self.messages))
