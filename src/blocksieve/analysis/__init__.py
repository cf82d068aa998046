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
    `appendix`: whether section and figure stand in the report's appendix.
    `needs`: what `analyse` takes beside the evidence, by keyword.
    `measured`: whether the figure also shows deployment.json, which is measured times.
    """

    output: Literal["parquet", "json"] = "parquet"
    figure: bool = True
    section: bool = True
    appendix: bool = False
    needs: tuple[str, ...] = ()
    measured: bool = False


ANALYSES: dict[str, Analysis] = {
    "trade_off": Analysis(output="json", needs=("recommendations",), measured=True),
    "pruning_recommendations": Analysis(output="json", figure=False, needs=("routing",)),
    "held_out": Analysis(output="json"),
    "block_position_analysis": Analysis(),
    "importance_heatmap": Analysis(section=False),
    "task_specific_vs_generic": Analysis(output="json", needs=("stability",)),
    "task_type_comparison": Analysis(),
    "combination_vs_individual": Analysis(),
    "power": Analysis(),
    "rankings_by_num_removed": Analysis(appendix=True),
    "search_tree": Analysis(section=False, appendix=True),
    "transfer_matrix": Analysis(appendix=True),
    "stability": Analysis(output="json", appendix=True),
    "task_type_detailed_comparison": Analysis(appendix=True),
    "consistency_analysis": Analysis(appendix=True),
    "dataset_responses": Analysis(appendix=True),
    "dataset_pairwise_comparison": Analysis(appendix=True),
    "split_agreement": Analysis(appendix=True),
    "routing": Analysis(
        output="json", appendix=True, needs=("router", "detections", "finalist_samples")
    ),
    "proxies": Analysis(appendix=True, needs=("proxies",)),
    "drop_distributions": Analysis(appendix=True),
    "pairwise_dataset_stats": Analysis(output="json", figure=False, section=False),
}

FIGURES = tuple(name for name, analysis in ANALYSES.items() if analysis.figure)
SECTIONS = tuple(name for name, analysis in ANALYSES.items() if analysis.section)
