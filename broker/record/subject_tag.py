"""The tag by which all sets of one subject, place or group are found, as long as its key exists.

Derived from the subject's own key, the one that erasure destroys, and from nothing else: afterwards
nobody can compute which tag was whose. It lies in the audit rows, sealed to the auditors.
"""

from __future__ import annotations

import hmac

TAG_HEX = 32
_PURPOSE = b"safeguarding-broker/subject-tag/v1\n"


def subject_tag(subject_key: bytes) -> str:
    """HMAC-SHA-256 under the subject's key, the same for all its sets: 128 bits in hex."""
    return hmac.digest(subject_key, _PURPOSE, "sha256").hex()[:TAG_HEX]
