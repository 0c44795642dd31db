"""Times as Vault writes them."""

from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """RFC 3339 with up to nine digits of a second, in whatever time zone the server is, in UTC. Raises ValueError."""
    stamp, point, rest = text.partition(".")
    if not point:
        return datetime.fromisoformat(text).astimezone(UTC)
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return datetime.fromisoformat(f"{stamp}.{digits[:6]:0<6}{rest[len(digits) :]}").astimezone(UTC)
