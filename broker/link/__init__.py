"""link: which child, and which first observation. An echo is not a second witness.

Records that share an event id, an origin id or a derived-from id go back to one origin. Pure: what
a part is linked with are the entries before its own place in the stream, however often and in
whatever sequence they are handed in.
"""

from broker.link.entries import entry_of, join
from broker.link.part import NEAR, link

__all__ = ["NEAR", "entry_of", "join", "link"]
