"""Problems of a table, told in one line that names the key."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import (
    BaseModel,
    ValidationError,
)


def explain(error: ValidationError, table: type[BaseModel]) -> str:
    """Return the first problem in one line, its key in front, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    # pydantic marks a problem with a dict's key by a last part "[key]"
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        known = _fields(table, first["loc"][:-1])
        message = f"unknown key (known: {', '.join(known)})" if known else "unknown key"
    elif first["type"] == "path_not_file":
        message = f"no such file: {first.get('ctx', {}).get('path', first['input'])}"
    else:
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        if isinstance(first["input"], str | int | float):
            message += f", not {first['input']!r}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{key}: {message}{more}" if key else f"{message}{more}"


def _fields(table: Any, location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at ``location`` may have. Returns none when it is no table."""
    for part in location:
        if isinstance(table, type) and issubclass(table, BaseModel):
            table = table.model_fields[str(part)].annotation
        elif get_origin(table) in (dict, list):
            table = get_args(table)[-1]
        table = next((arm for arm in get_args(table) if arm is not type(None)), table) if _optional(table) else table
    if not (isinstance(table, type) and issubclass(table, BaseModel)):
        return []
    return sorted(name for name, field in table.model_fields.items() if not field.exclude)


def _optional(table: Any) -> bool:
    return type(None) in get_args(table)
