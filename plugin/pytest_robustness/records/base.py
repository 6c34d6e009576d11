"""What every stored record shares: the pydantic base class, and how its JSON is read and written."""

from __future__ import annotations

import json
import reprlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_robustness.errors import RobustnessError

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Record(BaseModel):
    """The base of everything stored or sent: immutable, no unknown keys, no conversions, no infinities or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, serialize_by_alias=True)


def is_none(value: Any) -> bool:
    """Fields that came later are left out where they say nothing: what was stored before stays as it was."""
    return value is None


def versioned(text: str, what: str, schema: int, *, oldest: int | None = None) -> dict[str, Any]:
    """The object of a stored JSON file, of a schema from ``oldest`` on; None: of ``schema`` only.

    Raises RobustnessError for no object, or for one of another schema.
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
    """Key and problem, in one line."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def pretty_json(value: Any, indent: int) -> str:
    """Objects indented with sorted keys, arrays on one line, but for arrays of objects: one a line."""
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
