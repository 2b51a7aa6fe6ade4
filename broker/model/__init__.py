"""The nouns: types generated from `schemas/`, their codec, canonical bytes and commitments."""
