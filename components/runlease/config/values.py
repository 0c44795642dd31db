"""Spellings of values that more than one section of the settings has."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from runlease.access import Duration, LifetimeError


def _duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    try:
        return Duration.parse(str(value))
    except LifetimeError as error:
        raise ValueError(f"not a duration ({error}). Fix: write it with a unit") from error


def https(value: str) -> str:
    """Check that a URL is reached over TLS. Raises ValueError when it is not."""
    if not value.startswith("https://") or len(value) < 10:
        raise ValueError(f"not reached over TLS (got {value!r}, expected https://…). Fix: use the server's TLS address")
    return value


Span = Annotated[Duration, BeforeValidator(_duration), PlainSerializer(str)]
Https = Annotated[str, AfterValidator(https)]
