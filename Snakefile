# blocksieve: which decoder blocks of a vision-language model can be removed, for which tasks, at what loss, how surely.
# `snakemake --cores all` runs the demo; `--configfile config/NAME.yaml` another run. Targets: all, evaluate, analysis, figures, report.


from snakemake.utils import min_version

min_version("9.14")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/evaluation.smk"
include: "rules/search.smk"
include: "rules/analysis.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


# With a cluster, targets and rules of seconds run where snakemake runs: a queue between two GPU jobs would cost more.
localrules:
    all,
    evaluate,
    analysis,
    figures,
    report,
    save_config,
    draw_samples,
    select_own_beam,
    select_generic_beam,
    select_finalists,
    draw_figure,
    write_report,


rule all:
    default_target: True
    input:
        [] if given_table() else rules.evaluate.input,
        rules.analysis.input,
        rules.figures.input,
        rules.report.input,
