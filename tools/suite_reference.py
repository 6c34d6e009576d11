"""Writes the tables of docs/suite.md: every key of a suite with its type, its default and its meaning.

``python -m tools.suite_reference`` runs in the repository. The tables come from the models that validate a suite, so
a key that is missing here does not exist; tests/test_docs.py fails when the page is not what this script writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_robustness.suite.suite import Suite

from benchmarks.pages import replace, require, table

PAGE = Path(__file__).parent.parent / "docs" / "suite.md"
#: The table of the keys that lie in no other.
TOP = "suite"
#: Keys that are no part of the file.
HIDDEN = {"path"}
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
PLURALS = {"text": "texts", "number": "numbers", "whole number": "whole numbers"}
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
Schema = Mapping[str, Any]


def tables() -> dict[str, str]:
    """Return a Markdown table for each table of a suite, by its name as it is written: ``models.NAME``."""
    schema = Suite.model_json_schema()
    return dict(_tables(TOP, schema, schema["$defs"]))


def _tables(name: str, schema: Schema, known: Schema) -> Iterator[tuple[str, str]]:
    """Yield a table, and those that lie inside it and are not also a table of the top level, shown there."""
    fields = {key: field for key, field in schema["properties"].items() if key not in HIDDEN}
    required = schema.get("required", ())
    rows = [_row(key, field, _place(name, key, field), key in required) for key, field in fields.items()]
    yield name, table(("key", "meaning", "type", "default"), rows, left=4)
    for key, field in fields.items():
        place, target = _place(name, key, field), _target(field)
        if target is not None and (name == TOP or place.startswith(f"{name}.")):
            yield from _tables(place, known[target], known)


def _place(name: str, key: str, field: Schema) -> str:
    """Return the name of the table that a key of another table holds; NAME stands for one the user chooses."""
    chosen = f"{key}.NAME" if "patternProperties" in field else key
    above = Suite.model_json_schema()["properties"].get(key)
    is_above = above is not None and _target(above) == _target(field)
    return chosen if name == TOP or is_above else f"{name}.{chosen}"


def _target(field: Schema) -> str | None:
    """Return which table a key holds: itself, several by name, or a list of them. Returns None when it holds none."""
    arms = [field, field.get("items", {}), *field.get("anyOf", ()), *field.get("patternProperties", {}).values()]
    return next((arm["$ref"].rpartition("/")[2] for arm in arms if "$ref" in arm), None)


def _row(key: str, field: Schema, place: str, required: bool) -> tuple[str, ...]:
    value = field.get("default")
    default = "" if value in (None, {}, []) or _target(field) else f"`{json.dumps(value)}`"
    texts = (f"`{key}`", field.get("description", ""), _type(field, place), "required" if required else default)
    return tuple(text.replace("|", "\\|") for text in texts)


def _type(field: Schema, place: str) -> str:
    if _target(field) is not None:
        written = f"[[{place}]]" if field.get("type") == "array" else f"[{place}]"
        return f"[`{written}`](#{place.lower().replace('.', '')})"
    arms = [arm for arm in field.get("anyOf", [field]) if arm.get("type") != "null"]
    return " or ".join(dict.fromkeys(_plain(arm) for arm in arms))


def _plain(arm: Schema) -> str:
    if "enum" in arm:
        return ", ".join(f"`{json.dumps(value)}`" for value in arm["enum"])
    if "prefixItems" in arm:
        return f"list of {len(arm['prefixItems'])} numbers"
    if arm.get("type") == "array":
        word, comma, bounds = _plain(arm["items"]).partition(",")
        return f"list of {PLURALS[word]}{comma}{bounds}"
    if "patternProperties" in arm:
        (each,) = arm["patternProperties"].values()
        return f"by name, each a {_plain(each)}"
    if arm.get("format", "").endswith("path"):
        return "path"
    bounds = "".join(f", {sign} {arm[key]:g}" for key, sign in SIGNS.items() if key in arm)
    return WORDS.get(arm.get("type", ""), "table") + bounds


def main() -> None:
    """Write all tables into the page."""
    found = tables()
    require(PAGE, found)
    for name, text in found.items():
        replace(PAGE, name, text)


if __name__ == "__main__":
    main()
