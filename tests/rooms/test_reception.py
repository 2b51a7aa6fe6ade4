"""Reception: one leaf and one receipt for each record, and the same bytes when it is read again."""

import json
import os
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.flow import receive
from broker.intake import AliasEntry, SeenEntry, older_of
from broker.model.codec import decode
from broker.model.envelope import IntakeEpoch, SigningIdentity, seal_statement
from broker.model.sealer import Sealer, sealed_for
from broker.model.sealing import DataKey, unpad, unseal
from broker.model.types import ConcernEvent, PartStep, ReceiptContent
from broker.model.values import SourcePosition
from broker.reception import IntakeResult, IntakeView, RawRecord, Reception
from broker.record import joined_token
from tests.builders import ADVOCATE, NOW, SANDWELL, concern, small_reference, subject

KEYS = {code: Ed25519PrivateKey.generate() for code in (ADVOCATE, SANDWELL)}
EPOCH_KEY = X25519PrivateKey.generate()
DATA_KEY = DataKey("e1", bytes(32), b"wrapped")
RECEPTION = Reception(
    publisher_keys={(code, "key-1"): key.public_key() for code, key in KEYS.items()},
    epoch_keys={"epoch-1": EPOCH_KEY},
    linkage_key=b"linkage",
    parts_key=bytes(32),
    reference=small_reference(),
    sealer=Sealer(
        data_keys={ADVOCATE: DATA_KEY, SANDWELL: DATA_KEY},
        desk=DATA_KEY,
        rows_key=bytes(32),
        pairwise_secret=b"pairwise",
    ),
)


class Memory:
    """Intake's state as the shell keeps it, in memory."""

    def __init__(self) -> None:
        self.seen: dict[str, SeenEntry] = {}
        self.aliases: dict[str, AliasEntry] = {}
        self.offset = 0

    def read(self, data: bytes | None, owner: str = ADVOCATE, offset: int | None = None) -> Any:
        """One record through intake's half of the flow; state is kept as the shell keeps it."""
        if offset is None:
            offset, self.offset = self.offset, self.offset + 1
        record = RawRecord(SourcePosition(f"concerns.v1.{owner}", 0, offset), owner, NOW, data)
        view = IntakeView(seen=self.seen.get, aliases=lambda _tokens: self.aliases)
        result = receive(record, view, RECEPTION)
        for token, entry in result.aliases:
            self.aliases[token] = older_of(self.aliases.get(token), entry)
        if result.seen:
            self.seen[result.seen[0]] = result.seen[1]
        return result


def sealed(event: ConcernEvent, signer: str = ADVOCATE, key_of: str | None = None) -> bytes:
    """The event in an envelope of `signer`, signed with the key of `key_of`."""
    identity = SigningIdentity(signer, "key-1", KEYS[key_of or signer])
    epoch = IntakeEpoch("epoch-1", EPOCH_KEY.public_key())
    return seal_statement(event, identity, epoch, os.urandom(32))


def leaf(result: IntakeResult) -> dict[str, Any]:
    """The one intake leaf."""
    leaves = [json.loads(one) for each in result.sets for one in each.leaves]
    intake = [one for one in leaves if one["kind"] in {"accepted", "duplicate", "rejected"}]
    assert len(intake) == 1
    return dict(intake[0])


def receipt(result: IntakeResult) -> ReceiptContent:
    """The one receipt, opened as its publisher would."""
    first = result.sets[0]
    (delivery,) = first.deliveries
    bound = sealed_for(delivery.recipient, first.set_id)
    return decode(unpad(unseal(DATA_KEY.key, delivery.sealed, bound)), ReceiptContent)


def test_a_sound_event_is_accepted_split_and_receipted() -> None:
    """Two children, two parts; the leaf names both parts."""
    event = concern(subjects=(subject(), subject(subject_ref="child-2", identifiers=())))

    result = Memory().read(sealed(event))

    assert leaf(result)["kind"] == "accepted"
    assert leaf(result)["parts"] == [part.part_id for part in result.parts]
    assert receipt(result).parts == len(result.parts) == 2


@pytest.mark.parametrize(
    ("data", "owner", "reason"),
    [
        (None, ADVOCATE, "not_avro"),
        (b"", ADVOCATE, "not_avro"),
        (b"{}", ADVOCATE, "not_avro"),
        (sealed(concern())[:-40], ADVOCATE, "truncated"),
        (b"\xc3\x01" + bytes(20), ADVOCATE, "unknown_schema"),
        (bytes(10_000_000), ADVOCATE, "too_large"),
        (sealed(concern(), ADVOCATE, SANDWELL), ADVOCATE, "bad_signature"),
        (sealed(concern(publisher="NOBODY"), "NOBODY", SANDWELL), ADVOCATE, "unknown_publisher"),
        (sealed(concern()), SANDWELL, "not_topic_owner"),
        (sealed(concern(publisher=SANDWELL)), ADVOCATE, "envelope_mismatch"),
        (sealed(concern(subjects=())), ADVOCATE, "no_subject_and_no_place"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_refused_with_its_reason_a_leaf_and_a_receipt(
    data: bytes | None, owner: str, reason: str
) -> None:
    """Nothing is lost: the owner of the topic learns what was wrong and what to do."""
    result = Memory().read(data, owner)

    assert leaf(result)["reason"] == reason
    assert (receipt(result).outcome, receipt(result).reason) == ("rejected", reason)
    assert len(receipt(result).explanation or "") > 40
    assert not result.parts


def test_the_same_statement_again_is_a_duplicate_with_the_first_receipt_again() -> None:
    """Sealed anew or sent twice, it is decided once."""
    memory = Memory()
    first = memory.read(sealed(concern()))
    second = memory.read(sealed(concern()))

    assert leaf(second)["kind"] == "duplicate"
    assert leaf(second)["first_set_id"] == first.sets[0].set_id
    assert not second.parts
    again = msgspec.structs.replace(receipt(first), outcome="duplicate", source_offset=1)
    assert receipt(second) == again


def test_the_same_id_with_other_content_is_refused() -> None:
    """An id stands for one statement for ever."""
    memory = Memory()
    memory.read(sealed(concern()))

    assert leaf(memory.read(sealed(concern(summary="other"))))["reason"] == "id_reused"


def test_a_record_read_again_after_a_crash_gives_the_same_bytes() -> None:
    """Even if a later event has joined the child's identifiers meanwhile."""
    memory = Memory()
    upn = concern(event_id="b", subjects=(upn_child(),))
    both = concern(event_id="c", subjects=(both_child(),))
    data = sealed(concern()), sealed(upn), sealed(both)
    first = [memory.read(one, offset=number) for number, one in enumerate(data)]
    again = [memory.read(one, offset=number) for number, one in enumerate(data)]

    assert [(one.sets, one.parts) for one in again] == [(one.sets, one.parts) for one in first]


def upn_child() -> Any:
    """The child as a school knows it."""
    from broker.model.types import Identifier, IdentifierScheme

    return subject(identifiers=(Identifier(scheme=IdentifierScheme.UPN, value="B801200005001"),))


def both_child() -> Any:
    """The child with both numbers."""
    return subject(identifiers=(*subject().identifiers, *upn_child().identifiers))


def test_a_join_moves_the_younger_state_before_the_part_is_decided() -> None:
    """The move is a record of its own, a `link` leaf, and comes first."""
    memory = Memory()
    older = memory.read(sealed(concern())).parts[0].part_key
    younger = memory.read(sealed(concern(event_id="b", subjects=(upn_child(),)))).parts[0].part_key
    joined = memory.read(sealed(concern(event_id="c", subjects=(both_child(),))))

    move, part = joined.parts
    assert (move.step, move.part_key, move.other_key) == (PartStep.MOVE, younger, older)
    assert part.part_key == older
    assert json.loads(joined.sets[1].leaves[0])["moved_from"] == joined_token(younger)


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_whatever_bytes_arrive_there_is_exactly_one_leaf_and_one_receipt(data: bytes) -> None:
    """Random bytes on a topic never do more than be refused."""
    result = Memory().read(data)

    assert leaf(result)["kind"] == "rejected"
    assert receipt(result).reason
