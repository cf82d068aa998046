"""Analyses: each module computes one table or document from what a run measured; none needs a GPU or the model."""

TABLES = (
    "rankings_by_num_removed",
    "task_type_comparison",
    "block_position_analysis",
    "combination_vs_individual",
    "consistency_analysis",
    "dataset_responses",
    "drop_distributions",
    "dataset_pairwise_comparison",
    "task_type_detailed_comparison",
    "importance_heatmap",
    "split_agreement",
    "search_tree",
    "transfer_matrix",
    "power",
)
"""Names of the modules whose `analyse` gives a table."""

DOCUMENTS = (
    "pairwise_dataset_stats",
    "pruning_recommendations",
    "task_specific_vs_generic",
    "held_out",
    "stability",
    "routing",
)
"""Names of the modules whose `analyse` gives a JSON document, checked by a schema of the same name beside them."""

WITHOUT_FIGURE = ("power", "pairwise_dataset_stats", "pruning_recommendations")
FIGURES = tuple(name for name in (*TABLES, *DOCUMENTS) if name not in WITHOUT_FIGURE)
"""Analyses with a figure of the same name."""
