"""Analyses: each module computes one table or document from what a run measured.

None needs a GPU or the model.
"""

from collections.abc import Mapping
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
    `measured`: whether the figure also shows deployment.json and healing.json, if there are any.
    `of_halves`: whether only a run that removes halves of blocks has it.
    `on_search_samples`: whether all that it shows was measured on them; its figure then says so.
    """

    output: Literal["parquet", "json"] = "parquet"
    figure: bool = True
    section: bool = True
    appendix: bool = False
    needs: tuple[str, ...] = ()
    measured: bool = False
    of_halves: bool = False
    on_search_samples: bool = False


ANALYSES: dict[str, Analysis] = {
    "trade_off": Analysis(output="json", needs=("recommendations",), measured=True),
    "pruning_recommendations": Analysis(output="json", figure=False, needs=("routing",)),
    "held_out": Analysis(output="json"),
    "block_position_analysis": Analysis(on_search_samples=True),
    "importance_heatmap": Analysis(section=False),
    "task_specific_vs_generic": Analysis(output="json", needs=("stability",)),
    "task_type_comparison": Analysis(on_search_samples=True),
    "combination_vs_individual": Analysis(),
    "halves": Analysis(of_halves=True),
    "power": Analysis(on_search_samples=True),
    "rankings_by_num_removed": Analysis(appendix=True),
    "search_tree": Analysis(section=False, appendix=True),
    "transfer_matrix": Analysis(appendix=True),
    "stability": Analysis(output="json", appendix=True),
    "task_type_detailed_comparison": Analysis(appendix=True, on_search_samples=True),
    "consistency_analysis": Analysis(appendix=True, on_search_samples=True),
    "dataset_responses": Analysis(appendix=True, on_search_samples=True),
    "dataset_pairwise_comparison": Analysis(appendix=True, on_search_samples=True),
    "split_agreement": Analysis(appendix=True, on_search_samples=True),
    "routing": Analysis(
        output="json", appendix=True, needs=("router", "detections", "finalist_samples")
    ),
    "proxies": Analysis(appendix=True, needs=("proxies",)),
    "drop_distributions": Analysis(appendix=True, on_search_samples=True),
    "pairwise_dataset_stats": Analysis(output="json", figure=False, section=False),
}


def figures_of(analyses: Mapping[str, Analysis]) -> tuple[str, ...]:
    """Return those that have a figure."""
    return tuple(name for name, analysis in analyses.items() if analysis.figure)


def sections_of(analyses: Mapping[str, Analysis]) -> tuple[str, ...]:
    """Return those that have sections of the report."""
    return tuple(name for name, analysis in analyses.items() if analysis.section)


FIGURES = figures_of(ANALYSES)
SECTIONS = sections_of(ANALYSES)


def analyses_of(unit: Literal["block", "half"]) -> dict[str, Analysis]:
    """Return the analyses of a run that removes such units."""
    analyses = {}
    for name, analysis in ANALYSES.items():
        if unit == "half" or not analysis.of_halves:
            analyses[name] = analysis
    return analyses
