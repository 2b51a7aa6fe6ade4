"""Generates `broker/model/types.py` from `schemas/*.avsc`.

Run `python -m broker.model.generate`; the tests run it again and compare. Each record becomes a
frozen msgspec Struct, each enum a StrEnum, each array a tuple, so that values can pass between
steps without anyone changing them. Ready-made generators were tried and lose logical types,
docs or immutability (docs/adr/0004-schemas-and-types.md).
"""

from __future__ import annotations

import keyword
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from broker.model.schemas import SCHEMAS_DIR, load_raw_schemas

HEADER = '''"""Types of the nouns. Generated from schemas/*.avsc by broker.model.generate: do not edit."""

from __future__ import annotations

import datetime
import enum

import msgspec
'''
PRIMITIVES = {"string": "str", "int": "int", "long": "int", "boolean": "bool", "bytes": "bytes"}
LOGICAL = {"timestamp-millis": "datetime.datetime", "date": "datetime.date"}
WIDTH = 96


def generate(raw_schemas: list[dict[str, Any]]) -> str:
    """Python source for all schemas, in dependency order (a nested type before its user)."""
    blocks: list[str] = []
    for schema in raw_schemas:
        _type_of(schema, blocks)
    return HEADER + "".join(f"\n\n{block}\n" for block in blocks)


def _type_of(schema: Any, blocks: list[str]) -> str:
    """The Python annotation of one Avro type; appends the classes that it needs to `blocks`."""
    if isinstance(schema, str):
        return PRIMITIVES.get(schema, schema)
    if isinstance(schema, list):
        inner = [_type_of(branch, blocks) for branch in schema if branch != "null"]
        return " | ".join([*inner, "None"] if "null" in schema else inner)
    if "logicalType" in schema:
        return LOGICAL[schema["logicalType"]]
    if schema["type"] == "array":
        return f"tuple[{_type_of(schema['items'], blocks)}, ...]"
    if schema["type"] == "enum":
        _add(_enum_class(schema), blocks)
        return str(schema["name"])
    if schema["type"] == "record":
        _add(_record_class(schema, blocks), blocks)
        return str(schema["name"])
    return _type_of(schema["type"], blocks)


def _add(block: str, blocks: list[str]) -> None:
    """Appends a class unless the very same one is there: two files may share a type."""
    if block not in blocks:
        blocks.append(block)


def _enum_class(schema: dict[str, Any]) -> str:
    members = "\n".join(f'    {_member(symbol)} = "{symbol}"' for symbol in schema["symbols"])
    return (
        f"class {schema['name']}(enum.StrEnum):\n{_docstring(schema['doc'], '    ')}\n\n{members}"
    )


def _record_class(schema: dict[str, Any], blocks: list[str]) -> str:
    fields = []
    for field in schema["fields"]:
        annotation = _type_of(field["type"], blocks)
        default = f" = {_default(field)}" if "default" in field else ""
        fields.append(
            f"    {field['name']}: {annotation}{default}\n{_docstring(field['doc'], '    ')}"
        )
    head = f"class {schema['name']}(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):"
    return f"{head}\n{_docstring(schema['doc'], '    ')}\n\n" + "\n".join(fields)


def _default(field: dict[str, Any]) -> str:
    value, schema = field["default"], field["type"]
    if isinstance(value, list):
        return "()"
    if schema == "bytes":
        return repr(str(value).encode("latin-1"))  # Avro writes bytes as code points up to 255
    if isinstance(value, str) and not (isinstance(schema, str) and schema in PRIMITIVES):
        name = schema if isinstance(schema, str) else schema["name"]
        return f"{name}.{_member(value)}"
    return repr(value)


def _member(symbol: str) -> str:
    """Enum member name: upper case, so that no symbol can collide with a keyword or a str method."""
    name = symbol.upper()
    return f"{name}_" if keyword.iskeyword(name) else name


def _docstring(text: str, indent: str) -> str:
    body = text.replace("\\", "\\\\")
    if len(body) + len(indent) + 6 <= WIDTH:
        return f'{indent}"""{body}"""'
    lines = textwrap.wrap(body, WIDTH - len(indent))
    return f'{indent}"""' + f"\n{indent}".join(lines) + f'\n{indent}"""'


def formatted(source: str) -> str:
    """`source` as ruff formats it, so that generated code obeys the house style."""
    ruff = Path(sys.executable).with_name("ruff")
    command = [str(ruff), "format", "--stdin-filename", "types.py", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    """Writes types.py beside this file."""
    target = Path(__file__).with_name("types.py")
    target.write_text(formatted(generate(load_raw_schemas(SCHEMAS_DIR))), encoding="utf-8")
    sys.stdout.write(f"wrote {target}\n")


if __name__ == "__main__":
    main()
