"""Laws of succession: a renamed or merged authority inherits nothing, and who closed has nothing left."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.key_terms import KeyTerm
from broker.reference import ReferenceDataError, load_connected, load_reference
from broker.shell.acls import Resource, acls_of, organisation_principal, surplus
from broker.shell.certificates import make_certificates, pair_of, revoked_of
from broker.shell.closures import closed, connected, connected_today, take_certificates_back
from broker.shell.key_errors import KeysError
from broker.shell.key_register import Use, read_register
from broker.shell.key_ring import KeyRing
from broker.shell.keys import load_agency_keys, make_keys
from broker.shell.reference_holder import ReferenceHolder
from broker.shell.registered_keys import load_registered
from broker.shell.settings import Settings
from broker.shell.topics import load_topics

SETTINGS = Settings()
CODES = load_connected(SETTINGS.organisations_dir / "connected.yaml")
REGISTER = load_reference(SETTINGS.codesets_dir, SETTINGS.organisations_dir)
CLOSING = "SCH-WV-001"
TODAY = datetime.datetime.now(datetime.UTC).date()
DAY = datetime.timedelta(days=1)
TOPICS = load_topics()


@given(st.lists(st.sampled_from(CODES), unique=True), st.lists(st.sampled_from(CODES), unique=True))
def test_who_closed_has_no_right_and_nobody_elses_change(every: list[str], gone: list[str]) -> None:
    """Whoever closes; the processes still read what it wrote before."""
    closing = [one for one in gone if one in every]
    before, after = acls_of(TOPICS, every), acls_of(TOPICS, every, closing)
    lost = {organisation_principal(one) for one in closing}

    assert set(before) - set(after) == {acl for acl in before if acl.principal in lost}
    assert set(after) <= set(before)
    assert set(surplus(after, before, TOPICS)) == set(before) - set(after)


@given(st.sampled_from(CODES), st.text("ABCDEFGHJ0123456789-", min_size=1, max_size=30))
def test_a_successor_has_no_right_on_its_predecessors_topics_and_groups(old: str, new: str) -> None:
    """Not even where its code begins with the old one."""
    codes = [one for one in (old, f"{old}{new}", f"{old}-2") if one.isascii()]
    for code in codes[1:]:
        for acl in acls_of(TOPICS, codes, [old]):
            if acl.principal == organisation_principal(code):
                owner = acl.name.rpartition(".v1.")[2].removesuffix(".")
                assert owner == code
                assert acl.resource in (Resource.TOPIC, Resource.GROUP)


def test_a_successor_gets_keys_of_its_own(tmp_path: Path) -> None:
    """None of them is one of its predecessor's, and it opens nothing that was sealed to that."""
    make_keys(tmp_path, ["OLD"])
    make_keys(tmp_path, ["OLD", "NEW"])
    register = read_register(tmp_path)
    publics = [one.public for code in ("OLD", "NEW") for one in register.organisations[code]]

    assert len(set(publics)) == len(publics) == 4
    sealer = KeyRing(tmp_path).at(datetime.datetime.now(datetime.UTC)).sealer
    assert sealer.data_keys["OLD"].key != sealer.data_keys["NEW"].key
    assert sealer.pairwise("OLD", "child") != sealer.pairwise("NEW", "child")


@given(st.sampled_from(sorted(REGISTER.successors) or ["none"]))
def test_an_old_code_is_nobodys_right(old: str) -> None:
    """It is read as its successor where a place is meant; as an organisation it exists nowhere."""
    assert old not in REGISTER.organisations
    assert old not in CODES


def test_no_list_or_an_empty_one_means_nobody() -> None:
    """No organisation, no right: nothing is given to all."""
    for acl in acls_of(TOPICS, ()):
        assert acl.principal.startswith("User:process-")


@pytest.fixture
def closing(tmp_path: Path) -> Settings:
    """A broker whose register says that a school closed yesterday."""
    policies = tmp_path / "policies"
    shutil.copytree(SETTINGS.policies_dir, policies)
    return Settings(data_dir=tmp_path / "var", policies_dir=policies)


def closes(settings: Settings, day: datetime.date, code: str = CLOSING) -> None:
    """The register says that it exists until that day."""
    path = settings.organisations_dir / "invented.csv"
    lines = path.read_text().splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{code},"))
    assert lines[at].endswith(",,true")
    lines[at] = f"{lines[at].removesuffix(',,true')},{day},true"
    path.write_text("\n".join(lines) + "\n")


def test_an_organisation_that_closed_is_not_connected_the_day_after(closing: Settings) -> None:
    """On its last day it still is; its topics stay, so that what it wrote is answered."""
    closes(closing, TODAY)
    assert (CLOSING in connected_today(closing), closed(closing)) == (True, ())
    path = closing.organisations_dir / "invented.csv"
    path.write_text(path.read_text().replace(f",{TODAY},true", f",{TODAY - DAY},true"))

    assert closed(closing) == (CLOSING,)
    assert CLOSING not in connected_today(closing)
    assert CLOSING in connected(closing)


def test_its_certificate_is_revoked_and_not_made_again(closing: Settings) -> None:
    """Its key is removed with it; that of everybody else stays."""
    make_certificates(closing.keys_dir, connected_today(closing))
    pair = pair_of(closing.keys_dir, CLOSING, process=False)
    other = pair_of(closing.keys_dir, "E08000028", process=False).certificate.read_bytes()
    closes(closing, TODAY - DAY)
    listed = revoked_of(closing.keys_dir).read_bytes()

    assert take_certificates_back(closing, closed(closing)) == [CLOSING]
    assert take_certificates_back(closing, closed(closing)) == []
    assert make_certificates(closing.keys_dir, connected_today(closing)) == []
    assert not pair.certificate.exists()
    assert not pair.key.exists()
    assert revoked_of(closing.keys_dir).read_bytes() != listed
    assert pair_of(closing.keys_dir, "E08000028", process=False).certificate.read_bytes() == other


def test_intake_takes_a_new_register_as_it_runs_and_never_a_broken_one(closing: Settings) -> None:
    """Taken when it has been still for a look."""
    times = iter(float(2 * one) for one in range(20))
    holder = ReferenceHolder(closing, clock=lambda: next(times))
    before = holder.current()
    assert before.organisations[CLOSING].in_force(TODAY)
    closes(closing, TODAY - DAY)
    assert holder.current() is before
    after = holder.current()
    assert not after.organisations[CLOSING].in_force(TODAY)
    (closing.organisations_dir / "invented.csv").write_text("nonsense\n")

    assert [holder.current() for _ in range(3)] == [after] * 3


KEY_FILE = """organisation: {code}
keys:
  - {{use: signing, id: key-1, public: "{first}", valid_from: "2026-01-01T00:00:00Z"}}
  - {{use: sealing, id: key-1, public: "{second}"}}
"""
FIRST, SECOND, THIRD = ("A" * 43 + "=", "B" * 42 + "A=", "C" * 42 + "A=")


def registered(folder: Path, **files: str) -> Path:
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "keys" / f"{name}.yaml").write_text(text)
    return folder


def test_registered_keys_are_an_organisations_own(tmp_path: Path) -> None:
    """Their private halves are nowhere here; what is sealed to it is sealed to them."""
    text = KEY_FILE.format(code="A", first=FIRST, second=SECOND)
    found = load_registered(registered(tmp_path / "register", A=text), {"A", "B"})
    assert [(one.use, one.key_id) for one in found["A"]] == [
        (Use.SIGNING, "key-1"),
        (Use.SEALING, "key-1"),
    ]
    assert found["A"][0].term == KeyTerm(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    make_keys(tmp_path / "keys", ["A", "B"], found)

    assert read_register(tmp_path / "keys").organisations["A"] == found["A"]
    assert not (tmp_path / "keys" / "organisations" / "A").exists()
    with pytest.raises(KeysError, match="no keys for 'A'"):
        load_agency_keys(tmp_path / "keys", "A")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("B", KEY_FILE.format(code="B", first=FIRST, second=THIRD), "registered for A already"),
        ("B", KEY_FILE.format(code="C", first=THIRD, second=THIRD), "name the file"),
        ("C", KEY_FILE.format(code="C", first=THIRD, second=SECOND), "not in the register"),
        ("B", KEY_FILE.format(code="B", first=THIRD, second=THIRD), "one id"),
        ("B", KEY_FILE.format(code="B", first="c2hvcnQ=", second=THIRD), "5 bytes"),
        ("B", "organisation: B\nkeys: []\n", "at least 1"),
        ("B", "organisation: B\n", "required"),
        (
            "B",
            KEY_FILE.format(code="B", first=THIRD, second=SECOND).replace("T00:00:00Z", ""),
            "valid_from",
        ),
    ],
)
def test_a_file_of_keys_that_is_wrong_is_refused_with_its_name(
    tmp_path: Path, name: str, text: str, what: str
) -> None:
    """A key of another organisation above all: a successor never signs with its predecessor's."""
    own = KEY_FILE.format(code="A", first=FIRST, second=SECOND)
    folder = registered(tmp_path, A=own, **{name: text})

    with pytest.raises(ReferenceDataError, match=what) as refused:
        load_registered(folder, {"A", "B"})
    assert f"{name}.yaml" in str(refused.value)
