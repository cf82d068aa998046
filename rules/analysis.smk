# Merge the shards into one table (or take a given one), and analyse it. No model, no torch.
# in: shards, or the table of `evaluations:`   out: results/{run}/evaluations.parquet, clusters/{dataset}.parquet,
#   analysis/{analysis}, importance_scores/, router.json

# What every analysis is made from. A given table comes alone.
EVIDENCE = dict(
    evaluations="results/{run}/evaluations.parquet",
    clusters=searched(results("clusters/{dataset}.parquet", dataset=DATASETS)),
    beams=searched(beams()),
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
        code=code("save_config.py"),
        model=searched(results("model.json")),
    output:
        "results/{run}/config.yaml",
    log:
        "results/{run}/logs/save_config.log",
    priority: 100  # fails within seconds where the search asks too much of the model
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 500,
        runtime=lambda w, attempt: attempt * 5,
    params:
        config=lambda w: stable(RUN.content()),
    script:
        "../workflow/scripts/save_config.py"


if given_table():

    rule take_evaluations:
        input:
            code=code("take_evaluations.py"),
            table=RUN.evaluations,
        output:
            "results/{run}/evaluations.parquet",
        log:
            "results/{run}/logs/take_evaluations.log",
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=lambda w, attempt: attempt * 4000,
            runtime=lambda w, attempt: attempt * 30,
        script:
            "../workflow/scripts/take_evaluations.py"

else:

    rule merge_evaluations:
        input:
            code=code("merge_evaluations.py"),
            shards=shards(),
        output:
            "results/{run}/evaluations.parquet",
        log:
            "results/{run}/logs/merge_evaluations.log",
        benchmark:
            "results/{run}/benchmarks/merge_evaluations.tsv"
        conda:
            "../envs/analysis.yaml"
        threads: 2
        resources:
            mem_mb=lambda w, attempt: attempt * 8000,
            runtime=lambda w, attempt: attempt * 60,
        params:
            definitions=definitions(),
            seed=RUN.seed,
        script:
            "../workflow/scripts/merge_evaluations.py"


rule sum_clusters:
    input:
        code=code("sum_clusters.py"),
        shards=lambda w: shards([w.dataset]),
    output:
        "results/{run}/clusters/{dataset}.parquet",
    log:
        "results/{run}/logs/sum_clusters/{dataset}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 60,
    script:
        "../workflow/scripts/sum_clusters.py"


rule analyse:
    input:
        **EVIDENCE,
        **{need: needed(need) for need in NEEDS},
        code=lambda w: code("analyse.py", f"analysis.{w.analysis}"),
    output:
        "results/{run}/analysis/{analysis}.{output}",
    log:
        "results/{run}/logs/analyse/{analysis}.{output}.log",
    wildcard_constraints:
        analysis="|".join(ANALYSES),
        output="parquet|json",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        settings=lambda w: stable(asdict(RUN.analysis)),
    script:
        "../workflow/scripts/analyse.py"


rule score_importance:
    input:
        **EVIDENCE,
        code=code("score_importance.py"),
    output:
        directory("results/{run}/importance_scores"),
    log:
        "results/{run}/logs/score_importance.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        settings=lambda w: stable(asdict(RUN.analysis)),
    script:
        "../workflow/scripts/score_importance.py"


# Detects the task type from the prompt. A given table has no prompts, so that its router is the one thing it lacks.
rule fit_router:
    input:
        code=code("fit_router.py"),
        samples=results("datasets/{dataset}.parquet", dataset=DATASETS),
        finalists="results/{run}/finalists.json",
    output:
        router="results/{run}/router.json",
        detections="results/{run}/detections.parquet",
    log:
        "results/{run}/logs/fit_router.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 60,
    params:
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
