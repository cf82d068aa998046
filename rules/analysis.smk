# Merge the shards into one table (or take a given one), and analyse it. No model, no torch.
# in: shards, or the table of `evaluations:`   out: results/{run}/evaluations.parquet, results/{run}/analysis/{analysis}.parquet

from blocksieve.analysis import ANALYSES


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


rule analyse:
    input:
        code=lambda w: code("analyse.py", f"analysis.{w.analysis}"),
        evaluations="results/{run}/evaluations.parquet",
    output:
        "results/{run}/analysis/{analysis}.parquet",
    log:
        "results/{run}/logs/analyse/{analysis}.log",
    wildcard_constraints:
        analysis="|".join(ANALYSES),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        across_datasets=run_config["analysis"]["across_datasets"],
    script:
        "../workflow/scripts/analyse.py"


rule analysis:
    input:
        results("config.yaml"),
        results("evaluations.parquet"),
        results("analysis/{analysis}.parquet", analysis=ANALYSES),
