"""Loads one policy bundle: law and agreements that fit each other, or none.

Everything is checked before a bundle exists: Cedar's own validation against the schema, stable ids,
gateways that exist, parties that the register knows. Loading never changes a bundle in use, so a
broken file cannot replace a good one.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broker.decide import Court, Gateway, Legislation, PolicyBundle
from broker.decide.cedar import CompiledClauses
from broker.model.canonical import canonical_json, digest
from broker.model.reference import Reference
from broker.policies.agreement_file import AgreementFile, DataItem, read_agreement
from broker.policies.compile import cedar_of, permits_of, value_of
from broker.policies.errors import PolicyFileError
from broker.policies.law_files import LawFiles, parsed, read_law, valid
from broker.policies.yaml_file import Place, line_of

AGREEMENTS = "agreements"
_AT_ONCE = 25
"""Agreements that Cedar checks at once: more are no quicker, and Cedar's memory grows with them."""
Found = tuple[Path, AgreementFile]


def load_bundle(policies_dir: Path, reference: Reference) -> PolicyBundle:
    """The bundle of `policies_dir`. Raises PolicyFileError naming file, line and clause."""
    with _no_collection():
        law = read_law(policies_dir / "law")
        found = [
            (path, checked_agreement(path, reference, law.gateways))
            for path in agreement_paths(policies_dir)
        ]
        check_names(found)
        return bind(law, found)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's cycle collector rests: thousands of new values that all stay cost it a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def agreement_paths(policies_dir: Path) -> list[Path]:
    """Every `agreement.yaml`, in order."""
    return sorted((policies_dir / AGREEMENTS).glob("*/agreement.yaml"))


def bind(law: LawFiles, found: Sequence[Found]) -> PolicyBundle:
    """One bundle of law and agreements that were read and checked. Raises PolicyFileError."""
    permits = law.permits()
    for _, agreement in found:
        permits |= permits_of(agreement)
    return PolicyBundle(
        court=Court(law.policies, _clauses(found, law.schema), law.schema),
        permits=permits,
        law=Legislation(law.gateways, law.conditions, law.grounds, law.desk),
        agreements=[value_of(agreement) for _, agreement in found],
        bundle_hash=_hash(law, [agreement for _, agreement in found]),
    )


def _clauses(found: Sequence[Found], schema: str) -> CompiledClauses:
    """The compiled clauses, checked against the schema, some agreements at once."""
    texts = {agreement.id: cedar_of(agreement) for _, agreement in found}
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        if not valid("\n".join(texts[agreement.id] for _, agreement in some), schema):
            for path, agreement in some:
                parsed(path, texts[agreement.id], schema)
            raise PolicyFileError(some[0][0], "", "does not fit together with those after it")
    return CompiledClauses(texts)


def checked_agreement(
    path: Path, reference: Reference, gateways: Sequence[Gateway]
) -> AgreementFile:
    """One agreement, its codes and gateways looked up. Raises PolicyFileError with line and clause."""
    agreement = read_agreement(path)
    for place, where, what in _wrong_with(agreement, reference, gateways):
        raise PolicyFileError(path, where, what, line_of(path, place))
    return agreement


def _wrong_with(
    agreement: AgreementFile, reference: Reference, gateways: Sequence[Gateway]
) -> Iterator[tuple[Place, str, str]]:
    known = {one.id: one for one in gateways}
    for name in agreement.gateways:
        if name not in known:
            yield ("gateways",), "gateways", f"{name} is not in law/gateways.yaml"
    for number, line in enumerate(agreement.parties):
        for code in (*line.organisations, *line.areas):
            if reference.current_code(code) not in reference.organisations:
                yield ("parties", number), f"parties.{line.id}", f"{code} is not in the register"
    for number, item in enumerate(agreement.data_items):
        wrong = _beyond(item, known[item.gateway])
        if wrong:
            yield ("data_items", number), f"data_items.{item.id}", wrong


def _beyond(item: DataItem, gateway: Gateway) -> str | None:
    """What a clause asks of a gateway that the gateway never gives."""
    fields = sorted(gateway.never_fields.intersection(item.fields))
    if fields:
        return f"{gateway.id} never authorises {fields[0]!r}: take it out or cite another gateway"
    kinds = sorted(set(item.recipients.kinds) - gateway.only_to) if gateway.only_to else []
    if kinds:
        return f"{gateway.id} is no gateway to {kinds[0]!r}: cite another one"
    parts = set(item.parts or ("subject", "place", "group"))
    if gateway.only_parts and not parts <= gateway.only_parts:
        only = ", ".join(sorted(gateway.only_parts))
        return f"{gateway.id} is for parts about a {only} only: say so with `parts`"
    return None


def check_names(found: Sequence[Found]) -> None:
    """Each `prevails_over` names an agreement that is there. Raises PolicyFileError."""
    known = {agreement.id for _, agreement in found}
    for path, agreement in found:
        for other in agreement.prevails_over:
            if other not in known:
                line = line_of(path, ("prevails_over",))
                raise PolicyFileError(
                    path, "prevails_over", f"there is no agreement {other!r}", line
                )


def _hash(law: LawFiles, agreements: Sequence[AgreementFile]) -> str:
    """SHA-256 over what the bundle says; comments and the order of files do not matter."""
    return digest(
        b"bundle",
        law.schema.encode(),
        _unordered((one.id, canonical_json(one.body).decode()) for one in law.policies),
        _unordered(_plain(one) for one in law.gateways),
        _unordered(_plain(one) for one in law.conditions.values()),
        _unordered(_plain(one) for one in law.grounds),
        canonical_json({name: law.settings[name] for name in sorted(law.settings)}),
        law.desk.encode(),
        canonical_json(sorted(one.model_dump_json() for one in agreements)),
    )


def _unordered(rows: Any) -> bytes:
    return canonical_json(sorted(canonical_json(row).decode() for row in rows))


def _plain(row: Any) -> Mapping[str, Any]:
    """Sets have no order of their own: give them one."""
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return {
        name: sorted(one) if isinstance(one, frozenset) else one for name, one in values.items()
    }
