"""The shape of what is read in a Task: anything else in it is left to Tekton, and kept."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from runlease.tasks.refusal import Refusal

_Value = TypeVar("_Value")


class _Read(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)


Many = Annotated[list[_Value], BeforeValidator(lambda given: [] if given is None else given)]
"""A list, or nothing."""


class _Named(_Read):
    name: str = ""


class _Item(_Read):
    name: str


class _Mount(_Item):
    path: str = Field(alias="mountPath")


class _Workspace(_Item):
    path: str | None = Field(None, alias="mountPath")


class _Container(_Named):
    image: str | None = None
    script: str | None = None
    command: Many[str] = []
    args: Many[str] = []
    env: Many[_Item] = []
    mounts: Many[_Mount] = Field([], alias="volumeMounts")
    security: _Read | None = Field(None, alias="securityContext")
    workspaces: Many[_Workspace] = []


class _Projection(_Read):
    sources: Many[_Read] = []


class _Volume(_Item):
    projected: _Projection | None = None


class _Spec(_Read):
    params: Many[_Item] = []
    workspaces: Many[_Workspace] = []
    volumes: Many[_Volume] = []
    template: _Container | None = Field(None, alias="stepTemplate")
    sidecars: Many[_Container] = []
    steps: list[_Container] = Field(min_length=1)


class _Metadata(_Named):
    generated: str = Field("", alias="generateName")


class _Task(_Read):
    version: Literal["tekton.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Task"]
    metadata: _Metadata
    spec: _Spec


def misshapen(document: Mapping[str, object]) -> Iterator[Refusal]:
    """Whatever is not there, or of another kind than Tekton's own."""
    try:
        _Task.model_validate(document)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
            got = "nothing" if detail["type"] == "missing" else type(detail["input"]).__name__
            if detail["type"] == "literal_error":
                got = repr(detail["input"])
            expected = str(detail.get("ctx", {}).get("expected", detail["msg"])).lower()
            yield Refusal(path.lstrip("."), "not a Task of tekton.dev/v1", got, expected, "write it as Tekton reads it")
