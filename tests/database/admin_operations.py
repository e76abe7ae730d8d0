"""The operations of the operators' API, read from its OpenAPI file, with ids that are acme's and bodies that fit."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid5

from deployments.admin.application import application
from deployments.admin.parts import Parts
from tests.database.rows_of_acme import ACME, CANARY, CONVERSATION, EMPLOYEE

# Segment before an id in a path -> what acme has there, see rows_of_acme.
IDS: dict[str, list[str]] = {
    "tenants": ["acme"],
    "employees": [str(EMPLOYEE)],
    "channels": [str(uuid5(ACME, f"channel:slack/{CANARY}/{CANARY}"))],
    "models": [CANARY],
    "conversations": [str(CONVERSATION)],
    "contacts": ["slack", CANARY],
    "dead-letters": ["message", "2"],
    "tokens": [str(EMPLOYEE)],
    "members": [f"{CANARY}@example.com"],
}
# Operations that make what is not there yet, under a name of the caller's choice: nothing foreign about it.
MAKING = {"save_hosted_model", "save_member"}
# Operations on a tenant that only the installation's owner may.
INSTALLATIONS = {"erase_tenant"}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    name: str
    body: Any

    def __str__(self) -> str:
        return self.name

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def names_more_than_a_tenant(self) -> bool:
        return self.path.count("{") > 1

    def at(self, tenant: str) -> str:
        """The path with acme's ids, in this tenant."""
        filled: list[str] = []
        left: list[str] = []
        for segment in self.path.split("/"):
            if not segment.startswith("{"):
                left = list(IDS.get(segment, left))
                filled.append(segment)
                continue
            assert left, f"tell admin_operations.IDS what acme has for {segment} in {self.path}"
            filled.append(tenant if segment == "{tenant}" else left[0])
            left = left[1:]
        return "/".join(filled)


def operations() -> list[Operation]:
    """All of them."""
    document = application(cast("Parts", None)).openapi()
    return [
        Operation(method.upper(), path, operation["operationId"], _body(operation, document))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _body(operation: dict[str, Any], document: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return _sample(content["schema"], document) if content else None


def _sample(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """The smallest that fits: what is required, and nothing else; where there are examples, one of them."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _sample(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _sample(schema[choice][0], document)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object":
        return {name: _sample(schema["properties"][name], document) for name in schema.get("required", [])}
    if kind == "array":
        return [_sample(schema["items"], document)] * schema.get("minItems", 0)
    if kind == "string":
        return "x" * schema.get("minLength", 0)
    return max(schema.get("minimum", 0), 0) if kind in {"integer", "number"} else False
