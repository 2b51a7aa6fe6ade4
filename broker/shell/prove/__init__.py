"""Proofs over law and agreements by Cedar's symbolic analysis: `make prove`.

What is proved is `policies/law/properties.yaml`; over what, the very policies that the broker loads;
by what, the Cedar command line and the solver cvc5 (`tools`).
"""

from broker.shell.prove.command import main

__all__ = ["main"]
