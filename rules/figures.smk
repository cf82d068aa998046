# Draw a figure from the analysis of the same name.
# in: results/{run}/analysis/{figure}.parquet or .json, for trade_off deployment/deployment.json too
# out: results/{run}/figures/{figure}.png, .svg, .json (Vega-Lite)

from blocksieve.analysis import FIGURES


rule draw_figure:
    input:
        code=lambda w: code("draw_figure.py", f"figures.{w.figure}"),
        analysis=lambda w: results(f"analysis/{w.figure}.{ANALYSES[w.figure].output}"),
        measured=lambda w: measured(ANALYSES[w.figure]),
    output:
        png=report(
            "results/{run}/figures/{figure}.png",
            # One file with a caption per figure: Snakemake expands no wildcard in its path.
            caption="../workflow/report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        svg="results/{run}/figures/{figure}.svg",
        json="results/{run}/figures/{figure}.json",
    log:
        "results/{run}/logs/draw_figure/{figure}.log",
    wildcard_constraints:
        figure="|".join(FIGURES),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        across_datasets=RUN.analysis.across_datasets,
        model=RUN.model_name,
    script:
        "../workflow/scripts/draw_figure.py"


rule figures:
    input:
        results("figures/{figure}.{kind}", figure=FIGURES, kind=["png", "svg", "json"]),
    localrule: True
