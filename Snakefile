# blocksieve: which decoder blocks of a vision-language model can be removed, for which tasks, at
# what loss, how surely.
# `snakemake --cores all` runs the demo; `--configfile config/NAME.yaml` another run.
# Targets: all, evaluation, analysis, figures, report, deploy.


from snakemake.utils import min_version

min_version("9.14")


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/evaluation.smk"
include: "rules/search.smk"
include: "rules/analysis.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/deployment.smk"


rule all:
    default_target: True
    input:
        searched(rules.evaluation.input),
        rules.analysis.input,
        rules.figures.input,
        rules.report.input,
        rules.deploy.input,
    localrule: True


# On a terminal, the bars of `blocksieve run` tell the time left.
onstart:
    from blocksieve.commands.status import time_left
    from snakemake_logger_plugin_blocksieve import LogHandler

    LogHandler.time_left = partial(time_left, Path("results", RUN.run))


# The answer and where to look, last on the screen, behind all that Snakemake says.
onsuccess:
    from blocksieve.report.closing import print_closing_lines

    atexit.register(print_closing_lines, Path("results", RUN.run))


# The faults of failed jobs, once more, at the same place.
onerror:
    atexit.register(print_faults, Path("results", RUN.run, "logs"), STARTED)
