"""The report of a run, for people: one module per analysis that has sections in it."""

BEAM = "beam"
"""The method of choosing that the report shows where it shows one: the search itself."""

SECTIONS = (
    "pruning_recommendations",
    "rankings_by_num_removed",
    "held_out",
    "task_specific_vs_generic",
    "transfer_matrix",
    "stability",
    "task_type_comparison",
    "task_type_detailed_comparison",
    "block_position_analysis",
    "combination_vs_individual",
    "consistency_analysis",
    "dataset_responses",
    "dataset_pairwise_comparison",
    "split_agreement",
    "routing",
    "drop_distributions",
    "power",
)
"""Names of the analyses with sections, in the order of the report.

The module of the same name has `sections(result, unit) -> list[Section]`: `result` is the analysis'
table, or its document; `unit` is % or pp. A section whose table, notes and remarks below are all
empty is not written.
"""
