"""The base of all stored records: their pydantic class, and the functions that read and write their JSON."""

from __future__ import annotations

import json
import reprlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_robustness.errors import RobustnessError

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Record(BaseModel):
    """Is the base of all that is stored or sent: immutable; refuses unknown keys, conversions, infinities and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, serialize_by_alias=True)


def is_none(value: Any) -> bool:
    """Return whether a value is None. A field with ``exclude_if=is_none`` is then left out of the stored JSON.

    Fields that were added later use it, so that what was stored before they existed stays as it was.
    """
    return value is None


def versioned(text: str, what: str, schema: int, *, oldest: int | None = None) -> dict[str, Any]:
    """Parse a stored JSON file and return the object in it.

    The object's schema must be from ``oldest`` to ``schema``. When ``oldest`` is None, it must be ``schema``.

    Raises RobustnessError when the text is not JSON, has no object at the top, or has another schema.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RobustnessError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise RobustnessError(f"not a {what}: no object at the top")
    found = data.get("schema")
    if type(found) is not int or not (oldest or schema) <= found <= schema:
        raise RobustnessError(f"schema: {reprlib.repr(data.get('schema'))} is not {schema}, the one this version reads")
    return data


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation error in one line: the key, where it is of one, and what is wrong."""
    first = error.errors(include_url=False)[0]
    what = first["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, first['loc']))}: {what}" if first["loc"] else what


def pretty_json(value: Any, indent: int) -> str:
    """Format a value as JSON: objects are indented and have sorted keys, and each array takes one line.

    An array of objects has one line for each of them.
    """
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        each = [" " * indent + json.dumps(one, allow_nan=False, sort_keys=True) for one in value]
        return "[\n" + ",\n".join(each) + "\n" + " " * (indent - 2) + "]"
    if not isinstance(value, dict):
        return json.dumps(value, allow_nan=False)
    if not value:
        return "{}"
    pad = " " * indent
    lines = [f"{pad}{json.dumps(key)}: {pretty_json(value[key], indent + 2)}" for key in sorted(value)]
    return "{\n" + ",\n".join(lines) + "\n" + " " * (indent - 2) + "}"
