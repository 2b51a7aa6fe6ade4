"""Whether a number can be the number it says it is: check digits, and nothing looked up.

The publisher's client and the broker must answer this alike: what fails is set aside on both sides, so
that what the publisher commits to is what a recipient can be shown.
"""

from __future__ import annotations

import re
from functools import lru_cache

from stdnum.gb import nhs, upn

from broker.model.types import Identifier, IdentifierScheme

UPN_FORM = re.compile(r"[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]")


def is_sound(identifier: Identifier) -> bool:
    """NHS number: mod 11; UPN: mod 23 check letter (domain section 5); local ids are opaque."""
    if identifier.scheme is IdentifierScheme.NHS_NUMBER:
        return _nhs_holds(identifier.value)
    if identifier.scheme is IdentifierScheme.UPN:
        return _upn_holds(upn.compact(identifier.value))
    return bool(identifier.value.strip())


@lru_cache(maxsize=8)  # one statement asks of its numbers again and again; no more are kept
def _nhs_holds(number: str) -> bool:
    return bool(nhs.is_valid(number))


def _upn_holds(number: str) -> bool:
    """Form and check letter only: a newly formed authority's number is not a mistyped one."""
    if not UPN_FORM.fullmatch(number):
        return False
    return bool(upn.calc_check_digit(number[1:]) == number[0])
