"""What lies on disk says nothing of anybody, and no key lies anywhere but in the key folder."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from rocksdict import AccessType, Options, Rdict

from broker.client.publisher import Publisher
from broker.client.responder import Responder
from broker.client.subscriber import Subscriber
from broker.model import types as t
from tests.kafka.searching import data_of, files_below, forms, holding, text_forms
from tests.kafka.test_round_trip import about
from tests.kafka.test_rounds_on_kafka import retraction_of
from tests.simulation.harness import Broker, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
ROOT = Path(__file__).resolve().parents[2]
RECIPIENT = "E08000028"
WITHIN_S = 60
KEY_PAIR_BYTES = 32

Private = Ed25519PrivateKey | X25519PrivateKey | EllipticCurvePrivateKey


def number() -> str:
    """A made-up NHS number with a right check digit, in the range that is never given out."""
    while True:
        stem = f"999{uuid.uuid4().int % 10**6:06d}"
        rest = 11 - sum(int(digit) * (10 - at) for at, digit in enumerate(stem)) % 11
        if rest != 10:
            return f"{stem}{rest % 11}"


def planted() -> tuple[t.ConcernEvent, dict[str, str]]:
    """A warning with unusual words wherever a person can write some, and what they are."""
    mark = uuid.uuid4().hex[:6]
    words = {
        "given_name": f"Thaddeus{mark}",
        "family_name": f"Quillfeather{mark}",
        "address": f"17 Zzyxwick Row{mark}",
        "local_number": f"Xq-case-{mark}-77",
        "nhs_number": number(),
        "summary": f"the whole story wubbled{mark}",
        "social_care_text": f"words for care flumoxed{mark}",
        "police_text": f"words for police grundled{mark}",
        "source_name": f"Ermintrude{mark}",
        "source_phone": f"07700 9{uuid.uuid4().int % 10**5:05d}",
        "child_words": f"I felt snizzled{mark}",
        "safety_plan": f"met at the gate by Brimblewax{mark}",
        "place": f"Behind the Kettlemoor{mark} depot",
        "uprn": f"{uuid.uuid4().int % 10**12:012d}",
        "role_basis": f"seen by Oglethwaite{mark}",
        "subject_ref": f"child-vexley{mark}",
        "necessity": f"since Pobblewick{mark} said so",
        "retraction_reason": f"it was Hobnoddle{mark} instead",
        "answer_reason": f"we spoke to Tumblewort{mark}",
    }
    event = fresh_event()
    (subject,) = event.subjects
    place, source, voice = event.place, event.source, subject.child_voice
    basis = event.lawful_basis
    assert place is not None
    assert source is not None
    assert voice is not None
    assert basis is not None
    replace = msgspec.structs.replace
    local = t.Identifier(
        scheme=t.IdentifierScheme.LOCAL, value=words["local_number"], system="simulation"
    )
    national = t.Identifier(scheme=t.IdentifierScheme.NHS_NUMBER, value=words["nhs_number"])
    changed = replace(
        subject,
        subject_ref=words["subject_ref"],
        identifiers=(national, local),
        given_name=words["given_name"],
        family_name=words["family_name"],
        address=words["address"],
        safety_plan=words["safety_plan"],
        child_voice=replace(voice, words=words["child_words"]),
        roles=(replace(subject.roles[0], basis=words["role_basis"]),),
    )
    texts = [
        replace(one, text=words.get(f"{one.audience.value}_text", one.text))
        for one in event.audience_texts
    ]
    return (
        replace(
            event,
            origin_id=str(uuid.uuid4()),
            subjects=(changed,),
            summary=words["summary"],
            audience_texts=tuple(texts),
            place=replace(place, description=words["place"], uprn=words["uprn"]),
            source=replace(source, name=words["source_name"], contact=words["source_phone"]),
            lawful_basis=replace(basis, necessity=words["necessity"]),
        ),
        words,
    )


async def _lived(running: Broker, event: t.ConcernEvent, words: dict[str, str]) -> None:
    """Published, told, answered, refused as a copy that was changed, held for review, and taken back."""
    replace = msgspec.structs.replace
    waiting = replace(
        event, event_id=str(uuid.uuid4()), handling=t.Handling(code="Z"), origin_id="o-2"
    )
    refused = replace(event, event_id=str(uuid.uuid4()), subjects=event.subjects * 2)
    async with (
        Publisher.connect(event.publisher, running.settings) as publisher,
        Subscriber.connect(RECIPIENT, running.settings, from_start=True) as alerts,
        Responder.connect(RECIPIENT, running.settings) as responder,
    ):
        for one in (event, waiting, refused):
            published = await publisher.publish(one)
            await publisher.wait_for_receipt(published, WITHIN_S)
        alert = await asyncio.wait_for(about(event.event_id, alerts), WITHIN_S)
        assert words["social_care_text"] in repr(alert.released)
        await responder.consider(alert, actor="duty-1", reason=words["answer_reason"])
        taken = replace(retraction_of(event), reason=words["retraction_reason"])
        published = await publisher.publish(taken)
        await publisher.wait_for_receipt(published, WITHIN_S)
        await asyncio.sleep(2)


def rows_of_tables(folder: Path, copies: Path) -> Iterator[tuple[str, bytes]]:
    """Every row of every table of the workers: RocksDB may have its files compressed."""
    for number_of, path in enumerate(sorted(folder.rglob("*.db"))):
        if path.is_dir():
            copy = copies / str(number_of)
            shutil.copytree(path, copy, ignore=lambda *_: ("LOCK",))
            table = Rdict(str(copy), Options(raw_mode=True), access_type=AccessType.read_only())
            for key, value in table.items():
                assert isinstance(key, bytes)
                assert isinstance(value, bytes)
                yield f"{path}, a row", key + b"\n" + value
            table.close()


@given(st.text(min_size=8, max_size=20), st.binary(max_size=9), st.binary(max_size=9))
def test_the_search_finds_what_is_there(word: str, before: bytes, after: bytes) -> None:
    """In each encoding, wherever in a longer text it stands."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        raw = before + word.encode(encoding) + after
        for content in (raw, raw.hex().encode(), base64.b64encode(raw)):
            assert holding(iter([("file", content)]), {"word": text_forms(word)})


def test_the_search_reads_round_the_holes_of_a_file(tmp_path: Path) -> None:
    """Kafka's indexes and its log are sparse."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 24)
        file.seek(1 << 23)
        file.write(b"here it is")

    assert b"here it is" in data_of(path)
    assert len(data_of(path)) < 1 << 20


def test_nothing_on_disk_says_who_it_is_about(running: Broker, tmp_path: Path) -> None:
    """Not a name, number, address or word of a warning that was told, answered, held and taken back.

    In Kafka's segments, the ledger, the workers' tables, logs and keys. What is not secret is found,
    so the search does look there.
    """
    event, words = planted()
    asyncio.run(_lived(running, event, words))
    wanted = {name: text_forms(word) for name, word in words.items()}
    wanted["source_phone"] |= text_forms(words["source_phone"].replace(" ", ""))
    known = {"event_id": text_forms(event.event_id)}
    folder = running.settings.data_dir

    assert holding(files_below(folder), wanted) == set()
    tables = list(rows_of_tables(folder, tmp_path))
    assert holding(iter(tables), wanted) == set()
    seen = " ".join(where for where, _ in holding(files_below(folder), known))
    assert "/kafka/" in seen
    assert "/ledger/" in seen
    assert holding(iter(tables), known)


def private_keys(directory: Path) -> dict[str, frozenset[bytes]]:
    """Every private and secret key of the key folder, by the file that it lies in."""
    found: dict[str, set[bytes]] = {}
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or path.suffix in (".db", ".lock", ".crl", ".new"):
            continue
        name, content = str(path.relative_to(directory)), path.read_bytes()
        if b"PRIVATE KEY" in content:
            start = content.index(b"-----BEGIN PRIVATE") if b"-----BEGIN PRIVATE" in content else 0
            key = serialization.load_pem_private_key(content[start:], None)
            found[name] = set(forms(_raw(key)))
            # The lines of the file themselves, as a setting could carry them.
            found[name].update(content[start:].splitlines()[1:2])
        elif path.suffix == ".key":
            found[name] = {
                form
                for at in range(0, len(content), KEY_PAIR_BYTES)
                for form in forms(content[at : at + KEY_PAIR_BYTES])
            }
        elif path.name.startswith("data-keys"):
            listed = msgspec.json.decode(content)
            found[name] = {
                form for one in listed.values() for form in forms(base64.b64decode(one["key"]))
            }
    return {name: frozenset(of) for name, of in found.items()}


def _raw(key: object) -> bytes:
    assert isinstance(key, Private)
    if isinstance(key, EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(KEY_PAIR_BYTES, "big")
    return key.private_bytes_raw()


def _processes() -> Iterator[tuple[str, bytes]]:
    """What everybody may see, or a neighbour may, of every process that this test started."""
    for process in psutil.Process().children(recursive=True):
        for name in ("cmdline", "environ"):
            try:
                yield (
                    f"/proc/{process.pid}/{name}",
                    Path(f"/proc/{process.pid}/{name}").read_bytes(),
                )
            except OSError:
                continue


def _repository() -> Iterator[tuple[str, bytes]]:
    """Every file of the project that git knows or would take."""
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, names):
        path = ROOT / os.fsdecode(name)
        if path.is_file():
            yield str(path), path.read_bytes()


def test_no_key_lies_anywhere_but_in_the_key_folder(running: Broker) -> None:
    """Not in logs, Kafka's files, the ledger or tables, not in `ps`, not in the repository."""
    folder, keys_dir = running.settings.data_dir, running.settings.keys_dir
    wanted = private_keys(keys_dir)
    for name in (
        "broker/linkage.key",
        "broker/ledger.pem",
        "kafka/ca.key",
        "broker/data-keys.json",
    ):
        assert name in wanted
    elsewhere = (path for path in folder.iterdir() if path != keys_dir)
    processes = list(_processes())

    assert len(processes) >= 2 * 4
    assert any(b"broker.shell.run" in content for _, content in processes)
    assert holding(files_below(*elsewhere), wanted) == set()
    assert holding(iter(processes), wanted) == set()
    assert holding(_repository(), wanted) == set()
    assert len(holding(files_below(keys_dir), wanted)) >= len(wanted)


def test_the_key_folder_is_the_brokers_alone(running: Broker) -> None:
    """No file of it can be read by another user: the folder lets nobody else in."""
    assert running.settings.keys_dir.stat().st_mode & 0o777 == 0o700
    for path in running.settings.keys_dir.rglob("*"):
        if b"PRIVATE KEY" in (data_of(path) if path.is_file() else b"") or path.suffix == ".key":
            assert path.stat().st_mode & 0o777 == 0o600, path
