"""link: which child, and which first observation. An echo is not a second witness.

Records that share an event id, an origin id or a derived-from id go back to one origin. Pure: what
a part is linked with are the entries before its own place in the stream, however often and in
whatever sequence they are handed in.
"""

from broker.link.about import NEAR, Listed, about
from broker.link.entries import entry_of, join, retracted
from broker.link.history import KeptHistory
from broker.link.part import link
from broker.link.rows import Rows

__all__ = [
    "NEAR",
    "KeptHistory",
    "Listed",
    "Rows",
    "about",
    "entry_of",
    "join",
    "link",
    "retracted",
]
