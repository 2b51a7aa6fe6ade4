"""The two stores on which the ledger's laws are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger import shards


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def each_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of the module on both stores, through the builders in `shards`."""
    if request.param == "postgresql":
        shards.set_store(request.getfixturevalue("postgres"))
    try:
        yield
    finally:
        shards.set_store("")
