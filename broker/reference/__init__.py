"""Loads reference data and the organisation register from files into one immutable value.

Files are people's work, so every error names the file, the line and what to do. Nothing is cached
here: the caller loads once and keeps the value.
"""

from broker.reference.codes import ReasonCode, load_lsoa_map, load_reason_codes
from broker.reference.files import ReferenceDataError
from broker.reference.load import load_connected, load_reference

__all__ = [
    "ReasonCode",
    "ReferenceDataError",
    "load_connected",
    "load_lsoa_map",
    "load_reason_codes",
    "load_reference",
]
