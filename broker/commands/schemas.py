"""`broker schema`: the nouns for people, and as Avro for those who write clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.commands.errors import CommandError
from broker.model.schemas import SCHEMAS_DIR, fingerprint_of, load_raw_schemas, parsed_schemas

Schema = dict[str, Any]
LOGICAL = {"timestamp-millis": "time (UTC)", "date": "date"}


def listed() -> list[dict[str, str]]:
    """Name, fingerprint (hex) and first sentence of every noun."""
    parsed = parsed_schemas()
    return [
        {
            "name": raw["name"],
            "fingerprint": fingerprint_of(parsed[raw["name"]]).hex(),
            "doc": raw["doc"],
        }
        for raw in load_raw_schemas(SCHEMAS_DIR)
    ]


def schema_named(name: str) -> Schema:
    """The Avro schema of a noun; `ConcernEvent`, `concern_event` and `concern-event` are one name.

    Raises CommandError with the names that there are.
    """
    schemas = {raw["name"]: raw for raw in load_raw_schemas(SCHEMAS_DIR)}
    by_letters = {_letters(known): raw for known, raw in schemas.items()}
    found = by_letters.get(_letters(name))
    if found is None:
        raise CommandError(f"there is no schema {name!r}: take one of {', '.join(schemas)}")
    return found


def show(out: Console, schema: Schema) -> None:
    """The noun and every type inside it, each field with type, default and meaning."""
    for kind in _types_of(schema, set()):
        out.print(Text(kind["name"], style="bold underline"))
        out.print(Text(kind.get("doc", "")))
        if kind["type"] == "enum":
            out.print(Text("  " + ", ".join(kind["symbols"]), style="cyan"))
        else:
            out.print(_fields_of(kind))
        out.print()


def show_list(out: Console) -> None:
    """One line a noun."""
    table = Table.grid(padding=(0, 2))
    for one in listed():
        table.add_row(Text(one["name"], style="bold"), Text(one["fingerprint"]), Text(one["doc"]))
    out.print(table)


def as_json(schema: Schema) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _types_of(schema: Any, seen: set[str]) -> Iterator[Schema]:
    """The named types in it: itself first, then those of its fields in order, each once."""
    if isinstance(schema, list):
        for one in schema:
            yield from _types_of(one, seen)
    elif isinstance(schema, dict):
        if schema["type"] in {"record", "enum"} and schema["name"] not in seen:
            seen.add(schema["name"])
            yield schema
        for field in schema.get("fields", ()):
            yield from _types_of(field["type"], seen)
        yield from _types_of(schema.get("items"), seen)


def _fields_of(record: Schema) -> Table:
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for name in ("field", "type", "default", "meaning"):
        table.add_column(name, overflow="fold")
    for field in record["fields"]:
        default = json.dumps(field["default"]) if "default" in field else "required"
        table.add_row(
            Text(field["name"], style="bold"),
            Text(_type_words(field["type"]), style="cyan"),
            Text(default, style="dim" if "default" in field else "yellow"),
            Text(field.get("doc", "")),
        )
    return table


def _type_words(kind: Any) -> str:
    if isinstance(kind, list):
        named = [_type_words(one) for one in kind if one != "null"]
        return " or ".join(named) + (" or nothing" if "null" in kind else "")
    if isinstance(kind, dict):
        if "logicalType" in kind:
            return LOGICAL.get(kind["logicalType"], str(kind["logicalType"]))
        if kind["type"] == "array":
            return f"list of {_type_words(kind['items'])}"
        return str(kind.get("name", kind["type"]))
    return str(kind)
