"""Examples that are valid as they are: a statement of every kind, invented, to edit and to try with."""

from broker.examples.samples import (
    KINDS,
    UnknownExampleError,
    example,
    fresh_example,
    to_line,
)

__all__ = ["KINDS", "UnknownExampleError", "example", "fresh_example", "to_line"]
