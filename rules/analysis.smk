# Merge the shards into one table (or take a given one), and analyse it. No model, no torch.
# in: shards, or the table of `evaluations:`   out: results/{run}/evaluations.parquet, clusters/{dataset}.parquet, analysis/{analysis}

from blocksieve.analysis import DOCUMENTS, TABLES

# What every analysis is made from. A given table comes alone.
EVIDENCE = dict(
    evaluations="results/{run}/evaluations.parquet",
    clusters=(
        [] if given_table() else results("clusters/{dataset}.parquet", dataset=DATASETS)
    ),
    beams=[] if given_table() else every_beam(),
    model=[] if given_table() else "results/{run}/model.json",
    finalists=[] if given_table() else "results/{run}/finalists.json",
)


rule save_config:
    input:
        code=code("save_config.py"),
        model=[] if given_table() else "results/{run}/model.json",
    output:
        "results/{run}/config.yaml",
    log:
        "results/{run}/logs/save_config.log",
    priority: 100  # fails within seconds where the search asks too much of the model
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=lambda w: stable(run_config),
    script:
        "../workflow/scripts/save_config.py"


if given_table():

    rule take_evaluations:
        input:
            code=code("take_evaluations.py"),
            table=run_config["evaluations"],
        output:
            "results/{run}/evaluations.parquet",
        log:
            "results/{run}/logs/take_evaluations.log",
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=4000,
            runtime=30,
        script:
            "../workflow/scripts/take_evaluations.py"

else:

    rule merge_evaluations:
        input:
            code=code("merge_evaluations.py"),
            shards=every_shard(),
        output:
            "results/{run}/evaluations.parquet",
        log:
            "results/{run}/logs/merge_evaluations.log",
        benchmark:
            "results/{run}/benchmarks/merge_evaluations.tsv"
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=8000,
            runtime=60,
        params:
            definitions=lambda w: stable(DATASETS),
            seed=run_config["seed"],
        script:
            "../workflow/scripts/merge_evaluations.py"


rule sum_clusters:
    input:
        code=code("sum_clusters.py"),
        shards=lambda w: all_shards(w.dataset),
    output:
        "results/{run}/clusters/{dataset}.parquet",
    log:
        "results/{run}/logs/sum_clusters/{dataset}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    script:
        "../workflow/scripts/sum_clusters.py"


rule analyse:
    input:
        **EVIDENCE,
        code=lambda w: code("analyse.py", f"analysis.{w.analysis}"),
    output:
        "results/{run}/analysis/{analysis}.parquet",
    log:
        "results/{run}/logs/analyse/{analysis}.log",
    wildcard_constraints:
        analysis="|".join(TABLES),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: stable(run_config["analysis"]),
    script:
        "../workflow/scripts/analyse.py"


rule analyse_as_document:
    input:
        **EVIDENCE,
        routing=lambda w: (
            results("analysis/routing.json")
            if w.analysis == "pruning_recommendations"
            else []
        ),
        code=lambda w: code("analyse.py", f"analysis.{w.analysis}"),
    output:
        "results/{run}/analysis/{analysis}.json",
    log:
        "results/{run}/logs/analyse_as_document/{analysis}.log",
    wildcard_constraints:
        analysis="|".join(DOCUMENTS),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: stable(run_config["analysis"]),
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
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: stable(run_config["analysis"]),
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
        mem_mb=4000,
        runtime=60,
    params:
        definitions=lambda w: stable(DATASETS),
    script:
        "../workflow/scripts/fit_router.py"


ruleorder: analyse_routing > analyse_as_document


rule analyse_routing:
    input:
        **EVIDENCE,
        code=code("analyse_routing.py"),
        router=[] if given_table() else "results/{run}/router.json",
        detections=[] if given_table() else "results/{run}/detections.parquet",
        shards=[] if given_table() else every_finalists_shard(),
    output:
        "results/{run}/analysis/routing.json",
    log:
        "results/{run}/logs/analyse_routing.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: stable(run_config["analysis"]),
    script:
        "../workflow/scripts/analyse_routing.py"


rule analysis:
    input:
        results("config.yaml"),
        results("evaluations.parquet"),
        results("analysis/{analysis}.parquet", analysis=TABLES),
        results("analysis/{analysis}.json", analysis=DOCUMENTS),
        results("importance_scores"),
        [] if given_table() else results("router.json"),
