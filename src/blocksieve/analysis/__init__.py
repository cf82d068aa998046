"""Analyses: each module computes one table or document from what a run measured.

None needs a GPU or the model.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Analysis:
    """What the workflow must know of the module of the same name.

    `output`: a table, or a JSON document that the schema of the same name beside it describes.
    `figure`: whether figures/ has a module of the same name.
    `needs`: what `analyse` takes beside the evidence, by keyword.
    """

    output: Literal["parquet", "json"] = "parquet"
    figure: bool = True
    needs: tuple[str, ...] = ()


ANALYSES: dict[str, Analysis] = {
    "rankings_by_num_removed": Analysis(),
    "task_type_comparison": Analysis(),
    "block_position_analysis": Analysis(),
    "combination_vs_individual": Analysis(),
    "consistency_analysis": Analysis(),
    "dataset_responses": Analysis(),
    "drop_distributions": Analysis(),
    "dataset_pairwise_comparison": Analysis(),
    "task_type_detailed_comparison": Analysis(),
    "importance_heatmap": Analysis(),
    "split_agreement": Analysis(),
    "search_tree": Analysis(),
    "transfer_matrix": Analysis(),
    "power": Analysis(figure=False),
    "pairwise_dataset_stats": Analysis(output="json", figure=False),
    "pruning_recommendations": Analysis(output="json", figure=False, needs=("routing",)),
    "task_specific_vs_generic": Analysis(output="json"),
    "held_out": Analysis(output="json"),
    "stability": Analysis(output="json"),
    "routing": Analysis(output="json", needs=("router", "detections", "finalist_samples")),
}

FIGURES = tuple(name for name, analysis in ANALYSES.items() if analysis.figure)
