# Draw a figure from the analysis of the same name, all figures in one job: starting takes longer
# than drawing.
# in: results/{run}/analysis/{figure}.parquet or .json, for trade_off deployment/deployment.json and
#   healing.json too
# out: results/{run}/figures/{figure}.png, .svg, .json (Vega-Lite)


rule draw_figures:
    input:
        analyses=[
            in_run(f"analysis/{figure}.{ANALYSES[figure].output}")
            for figure in FIGURES
        ],
        measured=GAIN + HEALED,
    output:
        png=[
            report(
                in_run(f"figures/{figure}.png"),
                caption=f"../workflow/report/figures/{figure}.rst",
                category="Figures",
                labels={"figure": figure},
            )
            for figure in FIGURES
        ],
        svg=results("figures/{figure}.svg", figure=FIGURES),
        json=results("figures/{figure}.json", figure=FIGURES),
    log:
        in_run("logs/draw_figures.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 60,
    params:
        code=code("draw_figures.py", *[f"figures.{figure}" for figure in FIGURES]),
        figures=list(FIGURES),
        across_datasets=RUN.analysis.across_datasets,
        model=RUN.model_name,
        run=RUN.run,
        unit=RUN.search.unit,
    script:
        "../workflow/scripts/draw_figures.py"


rule figures:
    input:
        results("figures/{figure}.{kind}", figure=FIGURES, kind=["png", "svg", "json"]),
    localrule: True
