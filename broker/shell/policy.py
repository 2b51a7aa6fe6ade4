"""Loads what parts are decided by: reference data, policy bundle and weight parameters."""

from __future__ import annotations

from broker.flow import Policy
from broker.model.canonical import canonical_json, digest
from broker.policies import load_bundle
from broker.record import PolicyHashes
from broker.reference import load_reference
from broker.shell.settings import Settings
from broker.weigh import DEFAULT_PARAMETERS


def load_policy(settings: Settings) -> Policy:
    """The policy in force, with the hashes by which every record names it."""
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    bundle = load_bundle(settings.policies_dir, reference)
    return Policy(
        reference=reference,
        bundle=bundle,
        parameters=DEFAULT_PARAMETERS,
        hashes=PolicyHashes(
            bundle=bundle.bundle_hash,
            geography=reference.geography_hash,
            register=reference.register_hash,
            parameters=digest(canonical_json(DEFAULT_PARAMETERS)),
        ),
    )


class PolicyHolder:
    """The policy in force."""

    def __init__(self, settings: Settings) -> None:
        """Loads it; raises as `load_policy` does."""
        self._policy = load_policy(settings)

    def current(self) -> Policy:
        """By this a record is decided, whole."""
        return self._policy
