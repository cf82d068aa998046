"""How to read each figure: one sentence, for the page and the report."""

READINGS = {
    "trade_off": "What more removed blocks cost on samples that chose nothing, and what they save:"
    " a list serves where its whole interval lies under your limit.",
    "rankings_by_num_removed": "The lists of every size that cost least: the lower, the better;"
    " circles are not shown to be worse than the first.",
    "held_out": "Points above the dashed line cost more on samples that did not choose them than"
    " on those that did: the search's own numbers are too good by so much.",
    "task_specific_vs_generic": "How much more one list for all costs than every dataset's own:"
    " an interval that reaches 0 shows no need of lists of their own.",
    "transfer_matrix": "What the list chosen for the dataset of a row costs more on that of a"
    " column: only cells marked * are shown to cost more.",
    "stability": "How often a half of the samples chooses the same blocks as the other, and"
    " these samples or datasets resampled: the nearer to 100 %, the less the choice hangs on them.",
    "task_type_comparison": "What each task type loses on average over the same lists: types"
    " whose intervals lie apart differ; the report's findings count those that do.",
    "task_type_detailed_comparison": "The same by number of removed blocks: lines that stay low"
    " belong to task types that bear more removals.",
    "block_position_analysis": "What every block costs when it alone is removed: the highest are"
    " those to keep.",
    "combination_vs_individual": "Lists below the line cost less than their blocks would one by"
    " one, those above cost more; grey ones are not shown to differ.",
    "halves": "What the attention and the MLP of every block cost apart: where one half lies lower,"
    " remove that half and keep the other.",
    "consistency_analysis": "How differently the datasets respond to a list that costs something:"
    " the larger the variation, the more it depends on the task.",
    "dataset_responses": "What each dataset loses on average over the same lists: those at the"
    " right suffer most.",
    "dataset_pairwise_comparison": "Whether two datasets need the same blocks: a correlation near"
    " 1 means that one list can serve both.",
    "split_agreement": "Whether two splits of a dataset give the same order of blocks: they do"
    " where dots lie on the dashed line.",
    "routing": "Whether the prompt tells the task, and what picking the list by it saves: a gain"
    " whose interval reaches 0 is not shown.",
    "proxies": "Whether one pass over the whole model tells what a block costs: it does where"
    " circles rise from left to right and the correlation is near 1.",
    "power": "How many samples each dataset would need before a loss of so many points shows: to"
    " the right of the mark | are those that you lack.",
    "drop_distributions": "How all measured drops are spread: the lists that can be removed"
    " without much loss crowd around 0.",
    "importance_heatmap": "What removing a block alone costs on every dataset: * marks a loss"
    " shown beyond chance.",
    "search_tree": "What every step of the search kept, and from which list it came: where numbers"
    " stay the same from left to right, more blocks went without more loss.",
}
"""One sentence per figure on what to look for."""
