"""The schemas are the single source of truth: documented, compatible, and the types made from them."""

from pathlib import Path
from typing import Any

import pytest

from broker.model import types
from broker.model.codec import MARKER, decode
from broker.model.generate import formatted, generate
from broker.model.schemas import (
    ORDER,
    SCHEMAS_DIR,
    fingerprint_of,
    load_raw_schemas,
    parsed_schemas,
)
from tests.builders import random_body

RELEASES = sorted(path for path in (SCHEMAS_DIR / "released").iterdir() if path.is_dir())


def records(schema: Any) -> list[dict[str, Any]]:
    """Every record and enum in a schema, nested ones too."""
    if isinstance(schema, list):
        return [found for branch in schema for found in records(branch)]
    if not isinstance(schema, dict):
        return []
    if schema["type"] == "record":
        nested = [found for field in schema["fields"] for found in records(field["type"])]
        return [schema, *nested]
    return [schema] if schema["type"] == "enum" else records(schema.get("items", schema["type"]))


def test_the_types_are_those_that_the_schemas_generate() -> None:
    """Generating again gives the committed file, byte for byte."""
    committed = Path(types.__file__).read_text(encoding="utf-8")

    assert formatted(generate(load_raw_schemas(SCHEMAS_DIR))) == committed


@pytest.mark.parametrize("schema", load_raw_schemas(SCHEMAS_DIR), ids=lambda one: one["name"])
def test_every_record_enum_and_field_says_what_it_means(schema: dict[str, Any]) -> None:
    """A schema without docs is a form without labels."""
    for one in records(schema):
        assert one["doc"].strip(), one["name"]
        for field in one.get("fields", []):
            assert len(field["doc"].strip()) > 3, f"{one['name']}.{field['name']}"


def test_every_schema_file_is_loaded() -> None:
    """A file that nobody reads would be a promise that nobody keeps."""
    assert {path.stem for path in SCHEMAS_DIR.glob("*.avsc")} == set(ORDER)


def test_there_is_a_released_copy_of_todays_schemas() -> None:
    """The newest release equals today's schemas: change a schema, then release it anew."""
    newest = parsed_schemas(RELEASES[-1])

    assert {name: fingerprint_of(one) for name, one in newest.items()} == {
        name: fingerprint_of(one) for name, one in parsed_schemas().items()
    }


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_whatever_was_written_under_a_release_can_be_read_today(release: Path) -> None:
    """Random records of every noun of every release decode with today's code."""
    for name, writer in parsed_schemas(release).items():
        for _ in range(5):
            data = MARKER + fingerprint_of(writer) + random_body(writer)

            assert type(decode(data, getattr(types, name))).__name__ == name
