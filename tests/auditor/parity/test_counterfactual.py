"""Every weight from every voice: it holds for the real flow, and finds a flow that listens to who spoke."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

import broker.offline
from broker.auditor.ledger_rows import SUBJECT_KEYS
from broker.auditor.parity.counterfactual import (
    Checked,
    Counterfactual,
    counterfactual,
    real_weighing,
)
from broker.auditor.parity.reading import read_material
from broker.auditor.recorded_sets import recorded_sets
from broker.auditor.sidecars import read_sidecars
from broker.flow import DecidedPart, decide_part
from broker.model.types import Provenance
from broker.model.values import PartInput, StateEntry, Weight
from broker.shell.keys import read_subject_keys
from broker.weigh import WeightParameters
from tests.auditor.parity.stories import COMMUNITY, STATUTORY, rows_key, told, voices
from tests.auditor.replayed import acts, scenarios, write


def checked(folder: Path, **changes: object) -> Counterfactual:
    """The check over a ledger, with its own keys."""
    material = read_material(folder, rows_key(folder))
    given = {
        "rows": {one.closing.set_id: one for found in material.parts.values() for one in found},
        "facts": read_sidecars(folder / "s0", "facts"),
        "subject_keys": read_subject_keys(folder / "keys" / SUBJECT_KEYS),
    }
    return counterfactual(recorded_sets(folder), **(given | changes))  # type: ignore[arg-type]


def halved_for_parents(weight: Weight, part: PartInput) -> Weight:
    """What must never be: a weigh step that reads the provenance."""
    if part.event.provenance is Provenance.PARENT:
        return msgspec.structs.replace(weight, value=weight.value // 2)
    return weight


def test_the_real_flow_weighs_the_same_from_every_voice(tmp_path: Path) -> None:
    """Every scenario, every kind of statement and every human act: no weight differs."""
    folder = write(tmp_path / "ledger", [*scenarios(), *acts()])
    found = checked(folder)

    assert found.holds
    assert found.counts[Checked.SAME] > 40
    assert found.counts[Checked.NO_WEIGHT] > 0
    assert found.voices == len(Provenance) == 13


def test_a_weigh_step_that_reads_the_voice_is_found(tmp_path: Path) -> None:
    """Made again by such a step, each set is listed with the voice from which it would weigh less."""
    folder = told(tmp_path / "ledger", voices(2, *STATUTORY))

    def planted(
        part: PartInput, past: Sequence[StateEntry], parameters: WeightParameters
    ) -> Weight:
        return halved_for_parents(real_weighing(part, past, parameters), part)

    found = checked(folder, weighing=planted)
    assert not found.holds
    assert {one.what for one in found.differences} == {"parent"}
    assert len({one.set_id for one in found.differences}) == 4 == found.counts[Checked.DIFFERS]


def test_a_ledger_of_a_flow_that_read_the_voice_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that were recorded lower for parents are not what their facts give: set by set."""

    def planted(part: PartInput, *rest: object) -> DecidedPart:
        made = decide_part(part, *rest)  # type: ignore[arg-type]
        return msgspec.structs.replace(made, weight=halved_for_parents(made.weight, part))

    monkeypatch.setattr(broker.offline, "decide_part", planted)
    folder = told(tmp_path / "ledger", voices(3, *COMMUNITY, *STATUTORY))
    found, erased = checked(folder), checked(folder, subject_keys={})

    for one in (found, erased):
        assert {difference.what for difference in one.differences} == {"recorded"}
        assert one.counts[Checked.DIFFERS] == 3
        assert all(d.recorded == d.derived // 2 for d in one.differences)


def test_where_the_key_is_gone_the_row_is_left(tmp_path: Path) -> None:
    """Erased is said; a weight of a single observation is made again from its row all the same."""
    alone = checked(told(tmp_path / "alone", voices(2, *STATUTORY)), subject_keys={})
    linked = checked(write(tmp_path / "linked", scenarios()), subject_keys={})

    assert alone.counts[Checked.FROM_ROW] == 4
    assert linked.counts[Checked.ERASED] > 0
    assert linked.holds
    assert not linked.counts[Checked.SAME]


def test_forged_facts_are_not_passed_over(tmp_path: Path) -> None:
    """What does not open under the subject's key is counted, and the check does not hold."""
    folder = told(tmp_path / "ledger", voices(1, *STATUTORY))
    keys = read_subject_keys(folder / "keys" / SUBJECT_KEYS)
    found = checked(folder, subject_keys=dict.fromkeys(keys, bytes(32)))

    assert found.counts[Checked.UNREADABLE] == 2
    assert not found.holds
