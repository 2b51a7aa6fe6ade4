"""The controller's list for one request, from the ledger, the subjects' keys and the auditors' key."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from broker.auditor import FactsError, open_facts, shards_of
from broker.auditor.access_list import HeldRecord, held_record
from broker.auditor.asking import Asked, Ledger, answers
from broker.auditor.ledger_rows import SUBJECT_KEYS
from broker.auditor.replay import read_facts
from broker.auditor.sidecars import open_sidecars
from broker.auditor.subject_sets import Tokens
from broker.auditor.who_knew import Knew, Question
from broker.commands.audit_words import line, time_of, without_key
from broker.model.sealing import SealError
from broker.model.values import PartInput
from broker.record import decision_set_id
from broker.record.subject_access import AccessRequest
from broker.shell.keys import read_subject_keys

Facts = Callable[[str], bytes | None]


class AccessAnswer(msgspec.Struct, frozen=True):
    """What is held, for the controller alone."""

    request: AccessRequest
    records: tuple[HeldRecord, ...]
    tokens: tuple[Tokens, ...]
    assurance: str


def access_answer(request: AccessRequest, ledger: Ledger, keys_dir: Path) -> AccessAnswer:
    """Every record about the person, by event; nothing is sent anywhere.

    Raises CommandError where the ledger does not hold, KeysError where no subjects' keys lie.
    """
    keys = read_subject_keys(keys_dir / SUBJECT_KEYS)
    found: dict[tuple[str, int], Knew] = {}
    tokens: list[Tokens] = []
    assurance = ""
    for token in dict.fromkeys(request.tokens):
        asked = Asked(Question(), subject=token, keys=keys_dir)
        with answers(asked, ledger) as answered:
            found.update({(one.log, one.entry): one for one in answered.found})
            assurance = answered.assurance
            if answered.tokens is not None and answered.tokens not in tokens:
                tokens.append(answered.tokens)
    held = tuple(dict.fromkeys(one for some in tokens for one in some.held))
    with ExitStack() as stack:
        facts = [
            stack.enter_context(open_sidecars(shard, "facts"))
            for shard in shards_of(ledger.directory)
        ]
        records = tuple(_records(list(found.values()), held, keys, facts))
    return AccessAnswer(request, records, tuple(tokens), assurance)


def show(out: Console, answer: AccessAnswer) -> None:
    """The list, for a person who judges what is exempt."""
    asked = answer.request
    line(
        out, f"Request {asked.action_id}, received by {asked.organisation} ({asked.actor})", "bold"
    )
    line(out, f"in these words: {asked.reason or 'none'}")
    out.print()
    for record in answer.records:
        _show_record(out, record)
    for tokens in answer.tokens:
        for words in without_key(tokens):
            line(out, words)
    line(out, f"{len(answer.records)} records. Nothing of this was sent to anybody.", "bold")
    line(out, "Exemptions are candidates: a person judges each, and third parties stay redacted.")
    line(out, f"{answer.assurance[:1].upper()}{answer.assurance[1:]}.")


def _show_record(out: Console, record: HeldRecord) -> None:
    line(out, f"Event {record.event_id} of {record.publisher}, part {record.part_id}", "bold")
    if record.observed_at is not None and record.reported_at is not None:
        line(
            out,
            f"  {record.event_type}: observed {time_of(record.observed_at)}, "
            f"reported {time_of(record.reported_at)}",
        )
    if record.holds:
        line(out, f"  holds: {', '.join(record.holds)}")
    if record.third_parties:
        line(out, f"  third parties: {record.third_parties}, redacted")
    for one in record.told:
        fields = f"; shown: {', '.join(one.fields)}" if one.fields else ""
        line(out, f"  {one.recipient}: {one.standing}, {time_of(one.at)}{fields}")
    line(out, f"  not told: {record.not_told}")
    for exemption in record.exempt:
        where = f" ({exemption.provision})" if exemption.provision else ""
        line(out, f"  may be exempt: {exemption.name}{where}: {exemption.why}")
    out.print()


def _records(
    found: list[Knew], held: Sequence[str], keys: Mapping[str, bytes], facts: Sequence[Facts]
) -> Iterator[HeldRecord]:
    def part_of(one: Knew) -> tuple[str, str, int, str]:
        return one.publisher, one.event_id, one.version, one.part_id

    found.sort(key=lambda one: (part_of(one), one.round, one.log, one.entry))
    for _, same in itertools.groupby(found, key=part_of):
        decisions = tuple(same)
        part = _opened(decisions[0], held, keys, facts)
        ref = part.subject.subject_ref if part is not None and part.subject is not None else None
        yield held_record(decisions, part.event if part is not None else None, ref)


def _opened(
    one: Knew, held: Sequence[str], keys: Mapping[str, bytes], facts: Sequence[Facts]
) -> PartInput | None:
    """The part as it was first decided, from its sealed facts; None where these are not here."""
    for token in held:
        set_id = decision_set_id(one.publisher, one.event_id, one.version, token, 0)
        for look_up in facts:
            sealed = look_up(set_id)
            if sealed is None:
                continue
            try:
                return read_facts(open_facts(sealed, keys[token], set_id))[0]
            except (SealError, FactsError):
                return None
    return None
