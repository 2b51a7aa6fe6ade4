"""The parity report: whether every voice fared the same, from the ledger alone.

Read `policy`, then `table` (what a line of the evidence is), `measures` (what is counted), `rates`, `strata`
and `verdict` (what the counts bear), `publish` (what of it may be shown).
"""
