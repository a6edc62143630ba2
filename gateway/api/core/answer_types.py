"""The types of responses that repeat what a request saved: made from the parameters, so that the two cannot differ."""

from collections.abc import Mapping
from keyword import iskeyword
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.api.core.schema import Hash as FreeHash
from gateway.channels.secret_param import Secret
from gateway.domain.objects import Array, FreeObject, Hash, Object
from gateway.domain.params import Choice, Integer, OutboundUrl, Param, Real, Switch

_SIMPLE: Mapping[type[Param], Any] = {
    FreeObject: FreeHash,
    Hash: FreeHash,
    Switch: bool,
    Integer: int,
    Real: float,
    OutboundUrl: Annotated[str, Meta(extra_json_schema={"format": "uri"})],
}


def answer_type(param: Param, name: str, nullable: tuple[str, ...] = ()) -> Any:
    """Return the type of a value that a parameter accepts. `name` names the component of an object.

    An optional field may be absent from a response, except those in `nullable`, which are null.
    """
    match param:
        case Secret():
            return str  # redacted
        case Object() if not isinstance(param, FreeObject):
            return _struct(param, name, nullable)
        case Array():
            return list[answer_type(param.item, f"{name}Item")]  # type: ignore[misc] # made at run time
        case Choice():
            return Literal[param.options]
    return _SIMPLE.get(type(param), str)


def _struct(param: Object, name: str, nullable: tuple[str, ...]) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    renamed: dict[str, str] = {}
    for field, each in param.fields.items():
        attribute = f"{field}_" if iskeyword(field) else field  # such as `from`
        renamed[attribute] = field
        kind = answer_type(each, name + "".join(word.capitalize() for word in field.split("_")))
        if each.description:
            kind = Annotated[kind, Meta(description=each.description)]
        if field in nullable:
            fields.append((attribute, kind | None))
        elif each.required:
            fields.append((attribute, kind))
        else:
            fields.append((attribute, kind | UnsetType, UNSET))
    description = {"__doc__": param.description or "As it was saved."}
    return msgspec.defstruct(name, fields, rename=renamed, namespace=description, kw_only=True)
