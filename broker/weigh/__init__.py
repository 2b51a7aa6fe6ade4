"""weigh: how much consideration a claim deserves. Never a risk score of a child.

A pure function of assessment, directness, specificity, recency and the number of independent
origins. Who said it (parent, officer, neighbour, agency) is not a field of anything that this room
takes, so it cannot count. Integers throughout: the same claim weighs the same on every machine.
"""

from broker.weigh.parameters import DEFAULT_PARAMETERS, WeightParameters
from broker.weigh.weight import weigh

__all__ = ["DEFAULT_PARAMETERS", "WeightParameters", "weigh"]
