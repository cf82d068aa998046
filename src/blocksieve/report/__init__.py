"""The report of a run, for people: one module per analysis that has sections in it.

The module has `sections(result, unit) -> list[Section]`: `result` is the analysis' table, or its
document; `unit` is % or pp. A section whose table, notes and remarks below are all empty is not
written.
"""
