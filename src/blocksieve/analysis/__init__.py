"""The analyses: each module makes one table or document from what a run measured.

None needs a GPU or the model. A module's `analyse(evidence, **needs)` makes the result; `needs` are
the keyword arguments that `ANALYSES` names, None where the run has no such thing (a given table).
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Analysis:
    """What an analysis makes, and what it takes beside the evidence.

    `output`: a table, or a document that is checked by the JSON schema of the same name beside the
    module. `figure`: whether a module of the same name draws it. `needs`: names of inputs.
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
"""The analyses by the name of their module, tables first."""

TABLES = tuple(name for name, analysis in ANALYSES.items() if analysis.output == "parquet")
DOCUMENTS = tuple(name for name, analysis in ANALYSES.items() if analysis.output == "json")
FIGURES = tuple(name for name, analysis in ANALYSES.items() if analysis.figure)
"""Names of the analyses with a figure."""
