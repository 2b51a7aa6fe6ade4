"""locate: who may be concerned with a part, and why. Pure; the register and the borders decide.

Every candidate is evaluated and recorded, so a neighbour that is not told is on record as not told.
"""

from broker.locate.candidates import candidates

__all__ = ["candidates"]
