"""Plain data → `Settings`, or one `ConfigError` that holds every message."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from runlease.config.coherence import incoherent
from runlease.config.names import DatabaseKey, LeaseName, VaultName
from runlease.config.rules import RulesSettings
from runlease.config.scheduled import AuditorSettings, ScheduledSettings, SweeperSettings
from runlease.config.settings import (
    ClusterSettings,
    DatabaseSettings,
    LeaseSettings,
    PipelineSettings,
    Settings,
    VaultSettings,
)

_Section = TypeVar("_Section", bound=BaseModel)
_MAPS: dict[str, tuple[type[BaseModel], Any]] = {
    "databases": (DatabaseSettings, DatabaseKey),
    "leases": (LeaseSettings, LeaseName),
    "pipelines": (PipelineSettings, VaultName),
}
_SINGLES: dict[str, type[BaseModel]] = {"vault": VaultSettings, "cluster": ClusterSettings, "rules": RulesSettings}
_SCHEDULED: dict[str, type[ScheduledSettings]] = {"sweeper": SweeperSettings, "auditor": AuditorSettings}
_SECRET_WORDS = ("password", "secret", "token", "private_key", "credential")


class ConfigError(ValueError):
    """The settings cannot be used; `messages` has one line for each thing that is wrong."""

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages
        super().__init__("\n".join(messages))


def load(data: object, where: str = "access") -> Settings:
    """Read the object `runlease:access`. Raises ConfigError with all errors at once, each with its path.

    Sections are read one by one, so that a slip in one of them does not hide what is wrong in the others.
    """
    if not isinstance(data, Mapping):
        kind = type(data).__name__
        raise ConfigError(
            [f"{where}: not a mapping (got {kind}, expected settings by name). Fix: see stacks/Pulumi.prod.yaml"]
        )
    errors: list[str] = []
    read: dict[str, Any] = {}
    for name in ("installation", "tasks"):
        if name in data:
            read[name] = data[name]
    for name, model in _SINGLES.items():
        read[name] = _section(model, data.get(name, {}), f"{where}.{name}", errors)
    for name, scheduled in _SCHEDULED.items():
        if data.get(name) is not None:
            read[name] = _section(scheduled, data[name], f"{where}.{name}", errors)
    for name, (model, key) in _MAPS.items():
        read[name] = _sections(model, key, data.get(name, {}), f"{where}.{name}", errors)
    unknown = {name: value for name, value in data.items() if name not in Settings.model_fields}
    errors += _errors(Settings, {**read, **unknown}, where, only=("installation", "tasks", *map(str, unknown)))
    declared = {name: set(map(str, data[name])) for name in _MAPS if isinstance(data.get(name), Mapping)}
    errors += incoherent(read, {name: declared.get(name, set()) for name in _MAPS}, where)
    if errors:
        raise ConfigError(list(dict.fromkeys(errors)))
    return Settings.model_validate(read)


def load_database(
    key: str, settings: object, leases: Mapping[str, object]
) -> tuple[DatabaseSettings, dict[str, LeaseSettings]]:
    """Read one database and the leases on it, for a component that is used alone. Raises ConfigError as `load` does."""
    errors: list[str] = []
    read: dict[str, Any] = {
        "databases": _sections(DatabaseSettings, DatabaseKey, {key: settings}, "databases", errors),
        "leases": _sections(LeaseSettings, LeaseName, leases, "leases", errors),
        "pipelines": {},
    }
    errors += incoherent(read, {"databases": {key}, "leases": set(leases), "pipelines": set()}, key)
    if errors:
        raise ConfigError(list(dict.fromkeys(errors)))
    return read["databases"][key], read["leases"]


def load_section(model: type[_Section], value: object, where: str) -> _Section:
    """Read one section, for a component or a command that is used alone. Raises ConfigError as `load` does."""
    errors: list[str] = []
    section = _section(model, value, where, errors)
    if section is None:
        raise ConfigError(errors)
    return section


def _section(model: type[_Section], value: object, where: str, errors: list[str]) -> _Section | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors += [_message(detail, where, model) for detail in error.errors()]
        return None


def _sections(model: type[_Section], key: Any, value: object, where: str, errors: list[str]) -> dict[str, _Section]:
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        errors.append(
            f"{where}: not a mapping (got {kind}, expected settings by name). Fix: indent them under their names"
        )
        return {}
    read = {}
    for name, settings in value.items():
        try:
            TypeAdapter(key).validate_python(name)
        except ValidationError as error:
            errors += [_message(detail, f"{where}.{name}", model) for detail in error.errors()]
        if (section := _section(model, settings, f"{where}.{name}", errors)) is not None:
            read[str(name)] = section
    return read


def _errors(model: type[BaseModel], value: dict[str, Any], where: str, only: tuple[str, ...]) -> Iterator[str]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors():
            if detail["loc"] and str(detail["loc"][0]) in only:
                yield _message(detail, where, model)


def _message(detail: ErrorDetails, where: str, model: type[BaseModel]) -> str:
    path = ".".join([where, *(str(part) for part in detail["loc"] if part != "[key]")])
    got = detail["input"]
    match detail["type"]:
        case "extra_forbidden" if any(word in str(detail["loc"][-1]).lower() for word in _SECRET_WORDS):
            return f"{path}: a secret in plain text. Fix: remove it and set it apart: pulumi config set --secret <key>"
        case "extra_forbidden":
            known = ", ".join(_model_at(model, detail["loc"][:-1]).model_fields)
            return f"{path}: unknown setting (expected one of {known}). Fix: correct its spelling or remove it"
        case "model_type":
            kind = type(got).__name__
            return f"{path}: not a mapping (got {kind}, expected settings by name). Fix: indent them under their names"
        case "missing":
            return f"{path}: is missing. Fix: add it"
        case "value_error":
            return f"{path}: {detail['ctx']['error']!s}"
        case "too_short":
            return (
                f"{path}: an empty list, which would mean nothing or everything (got {got!r}). Fix: name at least one"
            )
        case _:
            return f"{path}: {detail['msg'].lower()} (got {got!r}). Fix: correct the value"


def _model_at(model: type[BaseModel], path: Iterable[int | str]) -> type[BaseModel]:
    """The model of the section that stands at `path` inside a section of `model`."""
    for part in path:
        if field := model.model_fields.get(str(part)):
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
