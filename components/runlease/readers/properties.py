"""A resource of Pulumi, and its inputs read by type. What is secret or not known yet is never taken for a value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runlease.readers.error import UnreadError

SECRET = "[secret]"  # noqa: S105 - what Pulumi shows in the place of one
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""In the place of a value that is known after an `up` only (pulumi/pulumi sdk/go/common/resource/plugin/rpc.go)."""
_SPECIAL = "4dabf18193072939515e22adb298388d"
_SPECIAL_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark
"""Marks an encrypted or revealed secret in a state (sdk/go/common/resource/sig/sig.go)."""


class Properties:
    """Inputs of one resource, or a part of them. Every question raises UnreadError where there is no plain answer."""

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self._values, self._where = values, where

    def has(self, key: str) -> bool:
        """Whether anything is said, be it a secret or not known yet."""
        return self._values.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A text; numbers and switches are spelled out. Without a default it must be there."""
        found = self._plain(key)
        if found is None:
            if default is None:
                raise UnreadError(f"{self._where}{key} is missing")
            return default
        if isinstance(found, bool):
            return str(found).lower()
        if not isinstance(found, str | int | float):
            raise UnreadError(f"{self._where}{key} is no text")
        return str(found)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; none when nothing is said."""
        found = self._plain(key)
        if found is None:
            return ()
        if not isinstance(found, list):
            raise UnreadError(f"{self._where}{key} is no list")
        each = Properties({str(number): one for number, one in enumerate(found)}, f"{self._where}{key}.")
        return tuple(each.text(str(number)) for number in range(len(found)))

    def flag(self, key: str, default: bool = False) -> bool:
        """A switch. A provider's own inputs have it as a text."""
        found = self.text(key, str(default).lower())
        if found not in ("true", "false"):
            raise UnreadError(f"{self._where}{key} is no switch")
        return found == "true"

    def number(self, key: str, default: int = 0) -> int:
        """A whole number, which Pulumi may send as a float or, for a provider, as a text."""
        try:
            return int(float(self.text(key, str(default))))
        except (ValueError, OverflowError) as error:
            raise error if isinstance(error, UnreadError) else UnreadError(f"{self._where}{key} is no number") from None

    def below(self, key: str) -> "Properties":
        """A mapping; an empty one when nothing is said."""
        found = self._plain(key)
        if not isinstance(found, Mapping | None):
            raise UnreadError(f"{self._where}{key} is no mapping")
        return Properties(found or {}, f"{self._where}{key}.")

    def each(self, key: str) -> tuple["Properties", ...]:
        """A list of mappings; none when nothing is said."""
        found = self._plain(key)
        if not isinstance(found, list | None):
            raise UnreadError(f"{self._where}{key} is no list")
        return tuple(self._one(f"{key}.{number}", one) for number, one in enumerate(found or ()))

    def names(self) -> Iterator[str]:
        """Every key of which anything is said; what Pulumi adds for itself is left out."""
        return (key for key, value in self._values.items() if value is not None and not key.startswith("__"))

    def is_secret(self, key: str) -> bool:
        """Whether a secret stands there."""
        return _is_secret(self._values.get(key))

    def is_list(self, key: str) -> bool:
        """Whether a list stands there."""
        return isinstance(self._values.get(key), list)

    def _one(self, key: str, value: Any) -> "Properties":
        return Properties({key: value}, self._where).below(key)

    def _plain(self, key: str) -> Any:
        found = self._values.get(key)
        if isinstance(found, str):
            if SECRET in found:
                raise UnreadError(f"{self._where}{key} is a secret")
            if UNKNOWN in found:
                raise UnreadError(f"{self._where}{key} is not known before up")
        elif isinstance(found, Mapping) and _SPECIAL in found:
            raise UnreadError(f"{self._where}{key} is {'a secret' if _is_secret(found) else 'no plain value'}")
        return found


@dataclass(frozen=True)
class Resource:
    """A resource as a plan or a state has it, before or after."""

    urn: str
    type: str
    inputs: Mapping[str, Any]
    custom: bool = True
    """Whether a provider makes it; a component has no thing of its own."""
    provider: str = ""
    """URN of its provider."""
    parent: str = ""
    deleted_with: str = ""
    """URN of the resource whose deletion is its own."""
    kept: bool = False
    """Whether a deletion leaves the thing itself where it is (`retain_on_delete`)."""
    waiting: bool = False
    """Whether it was replaced and still waits for its deletion."""

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "Resource":
        """As `pulumi preview --json` and `pulumi stack export` write it. Raises KeyError or TypeError for others."""
        external = state.get("external") is True
        return cls(
            str(state["urn"]),
            str(state["type"]),
            _mapping((state.get("outputs") if external else state.get("inputs")) or {}),
            state.get("custom") is True,
            str(state.get("provider") or "").rpartition("::")[0],
            str(state.get("parent") or ""),
            str(state.get("deletedWith") or ""),
            state.get("retainOnDelete") is True or external,
            state.get("delete") is True,
        )

    @property
    def key(self) -> str:
        """What tells it from others: what waits for its deletion has the URN of what came in its place."""
        return f"{self.urn} (waiting)" if self.waiting else self.urn

    @property
    def package(self) -> str:
        """`postgresql` of `postgresql:index/grant:Grant`."""
        return self.type.partition(":")[0]

    @property
    def name(self) -> str:
        """What the program calls it."""
        return self.urn.split("::", 3)[-1]

    @property
    def stack(self) -> str:
        """`<project>/<stack>`; empty where it has no URN of Pulumi's."""
        parts = self.urn.removeprefix("urn:pulumi:").split("::", 3)
        return f"{parts[1]}/{parts[0]}" if self.urn.startswith("urn:pulumi:") and len(parts) == 4 else ""

    @cached_property
    def properties(self) -> Properties:
        """Its inputs, by type."""
        return Properties(self.inputs)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("inputs are no mapping")
    return value


def _is_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get(_SPECIAL) == _SPECIAL_SECRET
    return isinstance(value, str) and SECRET in value
