# Merge the shards into one table (or take a given one), and analyse it. No model, no torch.
# in: shards, or the table of `evaluations:`
# out: results/{run}/evaluations.parquet, clusters/{dataset}.parquet, analysis/{analysis},
#   importance_scores/, router.json

# What every analysis is made from. A given table comes alone.
EVIDENCE = dict(
    evaluations=in_run("evaluations.parquet"),
    clusters=searched(results("clusters/{dataset}.parquet", dataset=DATASETS)),
    beams=[],  # for the one analysis that follows them: see `beams_to_analyse`
    model=searched(results("model.json")),
    finalists=searched(results("finalists.json")),
)
ANALYSIS_FILES = [
    path
    for name, analysis in ANALYSES.items()
    for path in results(f"analysis/{name}.{analysis.output}")
]


rule save_config:
    input:
        model=searched(results("model.json")),
    output:
        in_run("config.yaml"),
    log:
        in_run("logs/save_config.log"),
    priority: 100  # fails within seconds where the search asks too much of the model
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 500,
        runtime=lambda w, attempt: attempt * 5,
    params:
        code=code("save_config.py"),
        config=lambda w: stable(RUN.content()),
    script:
        "../workflow/scripts/save_config.py"


if given_table():

    rule take_evaluations:
        input:
            table=RUN.evaluations,
        output:
            in_run("evaluations.parquet"),
        log:
            in_run("logs/take_evaluations.log"),
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=lambda w, attempt: attempt * 4000,
            runtime=lambda w, attempt: attempt * 30,
        params:
            code=code("take_evaluations.py"),
        script:
            "../workflow/scripts/take_evaluations.py"

else:

    rule merge_evaluations:
        input:
            shards=shards(),
            model=in_run("model.json"),
        output:
            in_run("evaluations.parquet"),
        log:
            in_run("logs/merge_evaluations.log"),
        benchmark:
            in_run("benchmarks/merge_evaluations.tsv")
        conda:
            "../envs/analysis.yaml"
        threads: 2
        resources:
            mem_mb=lambda w, attempt: attempt * 8000,
            runtime=lambda w, attempt: attempt * 60,
        params:
            code=code("merge_evaluations.py", *METRICS),
            definitions=definitions(),
            seed=RUN.seed,
        script:
            "../workflow/scripts/merge_evaluations.py"


rule sum_clusters:
    input:
        shards=lambda w: shards([w.dataset]),
    output:
        in_run("clusters/{dataset}.parquet"),
    log:
        in_run("logs/sum_clusters/{dataset}.log"),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 60,
    params:
        code=code("sum_clusters.py"),
    script:
        "../workflow/scripts/sum_clusters.py"


rule analyse:
    input:
        **EVIDENCE | dict(beams=beams_to_analyse),
        **{need: needed(need) for need in NEEDS},
    output:
        in_run("analysis/{analysis}.{output}"),
    log:
        in_run("logs/analyse/{analysis}.{output}.log"),
    wildcard_constraints:
        analysis="|".join(ANALYSES),
        output="parquet|json",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=lambda w: code("analyse.py", f"analysis.{w.analysis}"),
        settings=lambda w: stable(asdict(RUN.analysis)),
    script:
        "../workflow/scripts/analyse.py"


rule score_importance:
    input:
        **EVIDENCE,
    output:
        directory(in_run("importance_scores")),
    log:
        in_run("logs/score_importance.log"),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("score_importance.py"),
        settings=lambda w: stable(asdict(RUN.analysis)),
    script:
        "../workflow/scripts/score_importance.py"


# Detects the task type from the prompt. A given table has no prompts, so that its router is the one
# thing it lacks.
rule fit_router:
    input:
        samples=SAMPLES,
        finalists=in_run("finalists.json"),
    output:
        router=in_run("router.json"),
        detections=in_run("detections.parquet"),
    log:
        in_run("logs/fit_router.log"),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 60,
    params:
        code=code("fit_router.py"),
        definitions=definitions(),
    script:
        "../workflow/scripts/fit_router.py"


rule analysis:
    input:
        results("config.yaml"),
        results("evaluations.parquet"),
        ANALYSIS_FILES,
        results("importance_scores"),
        searched(results("router.json")),
    localrule: True
