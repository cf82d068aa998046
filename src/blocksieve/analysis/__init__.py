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
    `section`: whether report/ has a module of the same name; the report is in this order.
    `needs`: what `analyse` takes beside the evidence, by keyword.
    `measured`: whether the figure also shows deployment.json, which is measured times.
    """

    output: Literal["parquet", "json"] = "parquet"
    figure: bool = True
    section: bool = True
    needs: tuple[str, ...] = ()
    measured: bool = False


ANALYSES: dict[str, Analysis] = {
    "trade_off": Analysis(output="json", needs=("recommendations",), measured=True),
    "pruning_recommendations": Analysis(output="json", figure=False, needs=("routing",)),
    "rankings_by_num_removed": Analysis(),
    "held_out": Analysis(output="json"),
    "task_specific_vs_generic": Analysis(output="json", needs=("stability",)),
    "transfer_matrix": Analysis(),
    "stability": Analysis(output="json"),
    "task_type_comparison": Analysis(),
    "task_type_detailed_comparison": Analysis(),
    "block_position_analysis": Analysis(),
    "combination_vs_individual": Analysis(),
    "consistency_analysis": Analysis(),
    "dataset_responses": Analysis(),
    "dataset_pairwise_comparison": Analysis(),
    "split_agreement": Analysis(),
    "routing": Analysis(output="json", needs=("router", "detections", "finalist_samples")),
    "drop_distributions": Analysis(),
    "power": Analysis(figure=False),
    "importance_heatmap": Analysis(section=False),
    "search_tree": Analysis(section=False),
    "pairwise_dataset_stats": Analysis(output="json", figure=False, section=False),
}

FIGURES = tuple(name for name, analysis in ANALYSES.items() if analysis.figure)
SECTIONS = tuple(name for name, analysis in ANALYSES.items() if analysis.section)
