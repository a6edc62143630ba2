"""Request bodies as components of the OpenAPI document."""

from typing import Any

from gateway.api.core.body import Body

Json = dict[str, Any]


class BodyComponents:
    """Describes request bodies. Objects with a name become components: generated clients name types after them."""

    def __init__(self, components: Json):
        self._components = components

    def described(self, body: Body, is_closed: bool) -> Json:
        """Return the media type object of a body.

        A closed body has no fields but the declared ones. Raises ValueError if two components have the same name.
        """
        declared = body.param.schema()
        schema = self._with_references(_closed(declared) if is_closed else declared)
        if body.root:
            wrapper: Json = {"type": "object", "required": [body.root], "properties": {body.root: schema}}
            if is_closed:
                wrapper["additionalProperties"] = False
            schema = self._component(f"{body.param.name}Body", wrapper)
        return {"schema": schema, "example": body.wrapped(body.example)}

    def _with_references(self, schema: Any) -> Any:
        """Return a schema in which each object with a name is replaced by a reference to its component."""
        if isinstance(schema, list):
            return [self._with_references(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        found = {key: self._with_references(value) for key, value in schema.items()}
        name = found.get("title")
        if not isinstance(name, str):  # no name, or the properties of an object with a field that is called title
            return found
        described = {"description": found["description"]} if "description" in found else {}
        unnamed = {key: value for key, value in found.items() if key not in ("title", "description")}
        reference = self._component(name, {**unnamed, "type": "object"})
        nullable = isinstance(found["type"], list)
        return {**({"anyOf": [reference, {"type": "null"}]} if nullable else reference), **described}

    def _component(self, name: str, schema: Json) -> Json:
        if self._components.setdefault(name, schema) != schema:
            raise ValueError(f"two components are called {name}")
        return {"$ref": f"#/components/schemas/{name}"}


def _closed(schema: Json) -> Json:
    """Return a schema in which objects have no other fields than the declared ones.

    Free objects stay as they are, and so do inner objects with a name, because other bodies refer to them too.
    """
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {name: _closed_inside(each) for name, each in found["properties"].items()}
        found.setdefault("additionalProperties", False)
    if "items" in found:
        found["items"] = _closed_inside(found["items"])
    return found


def _closed_inside(schema: Json) -> Json:
    return schema if isinstance(schema.get("title"), str) else _closed(schema)
