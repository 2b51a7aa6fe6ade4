"""Same facts, same outcome: the regions are treated alike, and what is not alike is found and classed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from broker.auditor import read_recorded, read_sidecars, shards_of
from broker.auditor.consistency import Consistency, Why, consistency
from broker.auditor.consistency_categories import ENOUGH, INSUFFICIENT, agreement
from broker.auditor.consistency_facts import Gathered, Stated, gather
from broker.auditor.consistency_replay import Tried, confirmed
from broker.ledger import RecordSet
from broker.shell.policy import load_policy
from tests.auditor.ledgers import changed, write_ledger
from tests.auditor.regions import ELSEWHERE, HERE, both_regions, each_once, ledger_with_key, sets_of
from tests.auditor.replayed import POLICY, SETTINGS
from tests.oracle import SECRET
from tests.scenarios.transpose import transpose

NOT_FACTS = {"provenance", "ethnicity", "sex"}


def gathered_in(ledger: Path) -> Gathered:
    sealed = {
        set_id: content
        for shard in shards_of(ledger)
        for set_id, content in read_sidecars(shard, "rows").items()
    }
    return gather(read_recorded(ledger).parts, sealed, SECRET)


def found_in(ledger: Path) -> Consistency:
    return consistency(gathered_in(ledger))


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ledger_with_key(tmp_path_factory.mktemp("regions"), both_regions())[0]


def test_another_region_is_treated_alike(regions: Path) -> None:
    """All scenarios here and transposed: nothing unexplained, and every group spans both regions."""
    found = found_in(regions)

    assert not found.unexplained
    assert found.across == found.groups > 100
    assert found.without_rows == found.older == 0


def test_what_the_region_has_agreed_explains_what_it_is_told_more(regions: Path) -> None:
    """S2: the regional agreement tells a force of protective factors; the baseline does not."""
    (one,) = found_in(regions).disagreements

    assert one.why is Why.AGREEMENT
    assert one.explained_by == ("national-baseline", "west-midlands-region")
    assert one.differs == ("released", "withheld")


def test_no_fact_says_who_it_is_or_who_spoke(regions: Path) -> None:
    """Facts hold no code of an organisation, no provenance, no ethnicity and no sex."""
    codes = {one.recipient.partition(":")[0] for one in gathered_in(regions).items} - {""}
    for one in gathered_in(regions).items:
        said = json.dumps(one.facts)
        assert not NOT_FACTS & one.facts.keys()
        assert not [code for code in codes if code in said]


def with_less(one: RecordSet) -> RecordSet:
    """S1's set elsewhere, in which one recipient was refused a field that the law gives it."""
    leaves = []
    for data in one.leaves:
        leaf = json.loads(data)
        if (
            leaf["kind"] == "decision"
            and leaf["outcome"] == "PERMIT"
            and "harms" in leaf["released"]
        ):
            leaf["released"].remove("harms")
        leaves.append(json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode())
    return changed(one, leaves)


def test_a_set_that_was_decided_otherwise_is_a_finding(tmp_path: Path) -> None:
    """Equal facts, agreements and versions, and one recipient shown less: unexplained, and named."""
    here, elsewhere = sets_of(HERE[0]), sets_of(ELSEWHERE[0], None, 1)
    altered = {one.set_id for one in elsewhere}
    ledger = write_ledger(
        tmp_path / "ledger",
        each_once([*here, *elsewhere]),
        forged=lambda one: with_less(one) if one.set_id in altered else one,
    )
    found = found_in(ledger)

    assert found.unexplained
    for one in found.unexplained:
        assert one.differs == ("released",)
        assert {name for variant in one.variants for name in variant.sets} & altered
    assert {"E08000031"} < {
        name.partition(":")[0]
        for one in found.unexplained
        for variant in one.variants
        for name in variant.recipients
    }


def test_another_bundle_explains_and_replay_names_the_rules(tmp_path: Path) -> None:
    """One scenario under two versions: both hashes are named, and trying the other confirms it."""
    folder = Path(shutil.copytree(SETTINGS.policies_dir, tmp_path / "policies"))
    baseline = folder / "agreements" / "national-baseline" / "agreement.yaml"
    text = baseline.read_text(encoding="utf-8").replace(
        "when, place, group, safety_plan", "when, place, group"
    )
    baseline.write_text(text, encoding="utf-8")
    other = load_policy(SETTINGS.model_copy(update={"policies_dir": folder}))
    again = {one.event_id: f"9{one.event_id[1:]}" for one in ELSEWHERE[0].events}
    keys: dict[str, bytes] = {}
    mine = sets_of(ELSEWHERE[0], keys=keys)
    moved = sets_of(transpose(ELSEWHERE[0], again), other, 1, keys)
    ledger = write_ledger(tmp_path / "ledger", each_once([*mine, *moved]))
    recorded = read_recorded(ledger)
    facts = read_sidecars(ledger / "s0", "facts")
    by_hash = {one.hashes.bundle: one for one in (POLICY, other)}
    found = found_in(ledger)

    assert not found.unexplained
    assert {one.why for one in found.disagreements} <= {Why.AGREEMENT, Why.VERSION}
    versions = [one for one in found.disagreements if one.why is Why.VERSION]
    assert versions
    parts = {one.closing.set_id: one for one in recorded.parts}
    for one in versions:
        assert {f"bundle {name}" for name in by_hash} <= set(one.explained_by)
        tried = confirmed(one, Tried(parts, facts, keys, by_hash))
        assert tried.why is Why.VERSION, tried.confirmed
        assert "rules that no longer speak" in tried.confirmed
        assert "not tried" in confirmed(one, Tried(parts, facts, {}, by_hash)).confirmed


def test_a_version_that_changes_nothing_explains_nothing(tmp_path: Path) -> None:
    """A set altered under another hash: tried under that version it stays as it was, so: a finding."""
    other = msgspec.structs.replace(
        POLICY, hashes=msgspec.structs.replace(POLICY.hashes, bundle="another")
    )
    keys: dict[str, bytes] = {}
    here, elsewhere = sets_of(HERE[0], keys=keys), sets_of(ELSEWHERE[0], other, 1, keys)
    altered = {one.set_id for one in elsewhere}
    ledger = write_ledger(
        tmp_path / "ledger",
        each_once([*here, *elsewhere]),
        forged=lambda one: with_less(one) if one.set_id in altered else one,
    )
    parts = {one.closing.set_id: one for one in read_recorded(ledger).parts}
    by_hash = {one.hashes.bundle: one for one in (POLICY, other)}
    tried = Tried(parts, read_sidecars(ledger / "s0", "facts"), keys, by_hash)
    versions = [one for one in found_in(ledger).disagreements if one.why is Why.VERSION]

    assert versions
    assert {confirmed(one, tried).why for one in versions} == {Why.NOTHING}


def item_pair(gathered: Gathered, **changes: object) -> Consistency:
    """The first disclosure twice, the second with another outcome and these changes."""
    first = next(one for one in gathered.items if one.question == "disclosure")
    other = msgspec.structs.replace(first, outcome={**first.outcome, "mode": "other"}, **changes)
    return consistency(msgspec.structs.replace(gathered, items=(first, other)))


def test_each_explanation_is_kept_apart(regions: Path) -> None:
    """Only what differs explains: agreement, version, both, or nothing."""
    gathered = gathered_in(regions)
    first = next(one for one in gathered.items if one.question == "disclosure")
    hashes = msgspec.structs.replace(first.hashes, register="another")

    def why(**changes: object) -> list[Why]:
        return [one.why for one in item_pair(gathered, **changes).disagreements]

    assert why() == [Why.NOTHING]
    assert why(agreements=("one",)) == [Why.AGREEMENT]
    assert why(hashes=hashes) == [Why.VERSION]
    assert why(hashes=hashes, agreements=("one",)) == [Why.AGREEMENT]
    (both,) = item_pair(gathered, hashes=hashes, agreements=("one",)).disagreements
    assert {"one", "register another"} <= set(both.explained_by)


def test_rates_add_up_to_the_decisions(regions: Path) -> None:
    """Told, refused and reviewed by group and bundle: every decision once."""
    found = found_in(regions)

    assert sum(one.permit + one.deny + one.review for one in found.rates) == found.decisions


def stated(subject: int, kind: str, code: str) -> Stated:
    return Stated(
        f"subject-{subject}", "weapon_threat", "scheme", code, f"org-{kind}", kind, subject
    )


def test_kappa_is_given_only_where_there_is_enough() -> None:
    """One fewer than enough is insufficient; full agreement is 1 and chance is about 0."""

    def kappa(codes: list[tuple[str, str]]) -> list[float | None]:
        said = [
            stated(number, kind, code)
            for number, pair in enumerate(codes)
            for kind, code in zip(("police", "school"), pair, strict=True)
        ]
        found = agreement(said)
        assert [one.measure for one in found] == ["Cohen", "Fleiss"]
        assert all((one.kappa is None) == (one.verdict == INSUFFICIENT) for one in found)
        return [one.kappa for one in found]

    alike = [("a", "a"), ("b", "b")] * ENOUGH
    assert kappa(alike[: ENOUGH - 1]) == [None, None]
    assert kappa(alike) == [pytest.approx(1.0)] * 2
    assert kappa([("a", "a")] * ENOUGH) == [None, None]
    chance = [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")] * ENOUGH
    assert kappa(chance) == [pytest.approx(0.0, abs=1e-9)] * 2
