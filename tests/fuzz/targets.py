"""Every parser that meets what others wrote, with sound inputs to begin from.

A target takes bytes and either takes them or refuses them in one of its own ways (`refusals`). Anything
else that comes out of it is a fault: the worker that ran it would be gone.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.client.opening import RefusedAlertError, open_alert, open_receipt, open_withdrawal
from broker.commands.statements import read_statements
from broker.examples import example
from broker.examples.scenarios import load_scenarios
from broker.flow import receive
from broker.imports.police_uk import NotPoliceUkError, read_rows
from broker.ledger import (
    NoteError,
    WitnessKey,
    cosigned_at,
    cosigners,
    open_checkpoint,
    parse_verifier_key,
    parse_witness_key,
    sign_checkpoint,
    verifier_key,
    witness_key,
)
from broker.model import types as t
from broker.model.codec import CodecError, decode, encode, to_json_value
from broker.model.envelope import (
    IntakeEpoch,
    SigningIdentity,
    seal_statement,
    signed_of,
    signing_input,
)
from broker.model.opening import HPKE
from broker.model.sealer import Sealer
from broker.model.sealing import DataKey
from broker.model.values import SourcePosition
from broker.policies import PolicyFileError
from broker.policies.agreement_file import read_agreement
from broker.policies.plain_yaml import NotPlainError, read_plain
from broker.reception import IntakeView, RawRecord, Reception
from tests.builders import ADVOCATE, NOW, concern, small_reference

ROOT = Path(__file__).resolve().parents[2]
SIGNING = Ed25519PrivateKey.from_private_bytes(b"fuzz" * 8)
EPOCH = X25519PrivateKey.from_private_bytes(b"epoc" * 8)
DATA_KEY = DataKey("e1", bytes(32), b"wrapped")
SEED = bytes(32)
ORIGIN = "broker.example/s0"
OUTCOMES = {"accepted", "duplicate", "rejected", "action", "link"}


class Target(msgspec.Struct, frozen=True):
    """One parser."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = ()


@functools.cache
def reception() -> Reception:
    """Intake's keys and reference data, for an invented advocate."""
    return Reception(
        publisher_keys={(ADVOCATE, "key-1"): SIGNING.public_key()},
        epoch_keys={"epoch-1": EPOCH},
        linkage_key=b"linkage",
        parts_key=bytes(32),
        reference=small_reference(),
        sealer=Sealer(
            data_keys={ADVOCATE: DATA_KEY},
            desk=DATA_KEY,
            rows_key=bytes(32),
            pairwise_secret=b"pairwise",
        ),
    )


def received(data: bytes, topic: str = "concerns") -> None:
    """One Kafka record through intake: exactly one leaf and one receipt, whatever it holds."""
    source = SourcePosition(f"{topic}.v1.{ADVOCATE}", 0, 0)
    view = IntakeView(seen=lambda _: None, aliases=lambda _: {})
    result = receive(RawRecord(source, ADVOCATE, NOW, data), view, reception())
    leaves = [json.loads(one) for each in result.sets for one in each.leaves]
    assert all(one["kind"] in OUTCOMES for one in leaves)
    assert sum(one["kind"] != "link" for one in leaves) == 1
    assert result.sets[0].deliveries


def signed_payload(payload: bytes, topic: str = "concerns") -> None:
    """A registered publisher with a sound key who seals and signs whatever it likes."""
    body = encode(t.SealedBody(seed=SEED, payload=payload))
    info = b"safeguarding-broker/body/v1\n" + ADVOCATE.encode() + b"\n" + b"an-id"
    unsigned = t.Envelope(
        publisher=ADVOCATE,
        key_id="key-1",
        epoch="epoch-1",
        event_id="an-id",
        commitment_root=bytes(32),
        sealed_body=HPKE.encrypt(body, EPOCH.public_key(), info),
        signature=b"",
    )
    signature = SIGNING.sign(signing_input(signed_of(unsigned)))
    received(encode(msgspec.structs.replace(unsigned, signature=signature)), topic)


def signed_statement(data: bytes) -> None:
    """JSON that becomes a statement is sealed and signed with its true commitments: deepest of all."""
    for line in read_statements(data.split(b"\n")):
        if line.statement is None:
            continue
        identity = SigningIdentity(line.publisher, "key-1", SIGNING)
        epoch = IntakeEpoch("epoch-1", EPOCH.public_key())
        try:
            sealed = seal_statement(line.statement, identity, epoch, SEED)
        except UnicodeEncodeError:
            continue
        kind = "actions" if isinstance(line.statement, t.Action) else "concerns"
        received(sealed, kind)


@functools.cache
def agency() -> Any:
    """A recipient with keys and messages that are truly for it (kept for the process)."""
    from tests.client.recorded import Sending

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    sending = Sending(folder)
    messages = (sending.alert(), sending.receipt())
    return sending.agency(), messages


def agreement_text(data: bytes) -> None:
    """An agreement file as the loader reads it."""
    stated = re.match(rb"(?:#.*\n|\n)*id: ([a-z0-9-]{1,60})\n", data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (stated[1].decode() if stated else "fuzzed") / "agreement.yaml"
        path.parent.mkdir()
        path.write_bytes(data)
        read_agreement(path)


def street_rows(data: bytes) -> None:
    """A street-level file of police open data."""
    for row in read_rows(data.split(b"\n"), {"E01009417": "E08000031"}, "E23000014", {}):
        assert (row.event is None) == (row.reason is not None)


def note(data: bytes) -> None:
    """A checkpoint, its cosignatures, and the keys that people paste."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (
        lambda: open_checkpoint(text, verifier_key(ORIGIN, SIGNING.public_key())),
        lambda: parse_verifier_key(text),
        lambda: parse_witness_key(text),
        lambda: cosigned_at(text, text.rsplit("\n")[-1], witness()),
        lambda: cosigners(text, (witness(),)),
    ):
        try:
            read()
        except NoteError:
            continue


@functools.cache
def witness() -> WitnessKey:
    """The key of a witness."""
    return witness_key("witness.example", SIGNING.public_key())


def nouns(data: bytes) -> None:
    """Single-object Avro of any noun."""
    for kind in (t.Envelope, t.ConcernEvent, t.Action, t.DecisionSet, t.Part, t.Alert, t.Held):
        try:
            decode(data, kind)
        except CodecError:
            continue


@functools.cache
def targets() -> dict[str, Target]:
    """All of them by name."""
    events = [event for scenario in load_scenarios() for event in scenario.events]
    payloads = tuple(encode(one) for one in itertools.islice(events, 12))
    action = encode(example("action"))
    identity = SigningIdentity(ADVOCATE, "key-1", SIGNING)
    epoch = IntakeEpoch("epoch-1", EPOCH.public_key())
    envelope = seal_statement(concern(), identity, epoch, SEED)
    lines = tuple(json.dumps(to_json_value(one)).encode() for one in (concern(), *events[:6]))
    agreements = sorted((ROOT / "policies" / "agreements").glob("*/agreement.yaml"))
    street = next((ROOT / "tests" / "data" / "police_uk").glob("*.csv")).read_bytes()
    checkpoint = sign_checkpoint(ORIGIN, 7, bytes(32), SIGNING).encode()
    keys, messages = agency()

    def opened(data: bytes) -> None:
        for read in (open_alert, open_receipt, open_withdrawal):
            try:
                read(data, keys)
            except RefusedAlertError:
                continue

    found = (
        Target("nouns", nouns, (*payloads, action, envelope)),
        Target("record", received, (envelope,)),
        Target("signed-payload", signed_payload, payloads),
        Target("signed-action", functools.partial(signed_payload, topic="actions"), (action,)),
        Target("signed-statement", signed_statement, lines),
        Target("opened", opened, messages),
        Target(
            "agreement",
            agreement_text,
            tuple(path.read_bytes() for path in agreements),
            (PolicyFileError,),
        ),
        Target(
            "plain-yaml",
            lambda data: void(read_plain(data.decode("utf-8", "replace"))),
            tuple(path.read_bytes() for path in agreements),
            (NotPlainError,),
        ),
        Target("street-rows", street_rows, (street[:3000],), (NotPoliceUkError,)),
        Target("note", note, (checkpoint,)),
    )
    return {one.name: one for one in found}


def void(_value: object) -> None:
    """Takes a value and keeps nothing of it."""


def run(target: Target, data: bytes) -> bool:
    """True if it took the bytes, False if it refused them; raises whatever else it does."""
    try:
        target.run(data)
    except target.refusals:
        return False
    return True
