"""What an alert carries so that its recipient can check each field against what the publisher signed.

A proof shows the publisher's commitments to everything, and salts of what was released alone. The signature
names its signer, so it goes only to those who may know the publisher (field `publisher`): others can
tell that all fields are of one statement, and an auditor compares its root with the leaf of its intake.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from broker.model.canonical import canonical_json
from broker.model.projections import DERIVED, name_for
from broker.model.statement import Statement
from broker.model.types import Mode, ReleasedField, StatementProof
from broker.model.values import Decision, PartInput

PUBLISHER = "publisher"


class Prover:
    """Proves what is shown of one part; made once a part, and what several are shown is made once."""

    def __init__(self, part: PartInput) -> None:
        """`part` may be of an unsigned statement: then nothing is proved."""
        self._publisher = part.event.publisher
        self._held = part.statement
        self._salts = {} if part.statement is None else part.statement.salts()
        self._shown: dict[tuple[str, str], ReleasedField] = {}
        self._proofs: dict[bool, StatementProof] = {}

    def fields(
        self, decision: Decision, released: Iterable[tuple[str, Any, str]]
    ) -> tuple[ReleasedField, ...]:
        """The fields of an alert: canonical value, what was done to it, salt of its commitment."""
        kind, known = decision.candidate.kind, self._shown
        found = []
        for ruling, (field, value, transform) in zip(decision.released, released, strict=True):
            name = name_for(field, ruling.transform, kind) or ""
            one = known.get((name, transform))
            if one is None:
                one = ReleasedField(
                    field=field,
                    value=canonical_json(value).decode(),
                    transform=transform,
                    salt=self._salts.get(name, b""),
                )
                if transform != DERIVED:
                    known[name, transform] = one
            found.append(one)
        return tuple(found)

    def proof(self, decision: Decision) -> StatementProof | None:
        """How the fields hang on the signed root; None if unsigned, and for a mere pointer."""
        held = self._held
        if held is None or decision.mode != Mode.CONTENT:
            return None
        named = any(ruling.field == PUBLISHER for ruling in decision.released)
        if named not in self._proofs:
            self._proofs[named] = self._proof(held, named)
        return self._proofs[named]

    def _proof(self, held: Statement, named: bool) -> StatementProof:
        return StatementProof(
            publisher=self._publisher if named else None,
            key_id=held.key_id if named else "",
            epoch=held.epoch if named else "",
            body_hash=held.body_hash if named else b"",
            signature=held.signature if named else b"",
            root=held.root,
            event_commitments=held.event,
            subject_commitments=held.subject.commitments,
            position=held.subject.slot,
            path=held.subject.path,
        )
