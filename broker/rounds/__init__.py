"""Later rounds of a part: human acts, retractions and the clock. Pure; never an edit of an earlier round.

The first decision of a part is round 0. Each act makes one more round with a decision set of its
own; `PartState` is what decide remembers between them.
"""

from broker.rounds.acts import carry_out
from broker.rounds.due import DueBook, Standing
from broker.rounds.erasure import ERASED, RETENTION_ENDED, ErasedPart, counted, erase
from broker.rounds.ground import Acted
from broker.rounds.retraction import Retracted, retract
from broker.rounds.state import first_state

__all__ = [
    "ERASED",
    "RETENTION_ENDED",
    "Acted",
    "DueBook",
    "ErasedPart",
    "Retracted",
    "Standing",
    "carry_out",
    "counted",
    "erase",
    "first_state",
    "retract",
]
