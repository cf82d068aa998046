# Evaluate combinations on samples: the jobs that use the model.
# in: datasets, the model, beams of the size before   out: results/{run}/shards/{dataset}/..., prompts/{dataset}.txt


EVALUATION_PARAMS = dict(
    definition=lambda w: stable(DATASETS[w.dataset]),
    model=lambda w: stable(run_config["model"]),
    evaluation=lambda w: stable(run_config["evaluation"]),
    parts=len(PARTS),
    roles=["search"],
)
ASKED = run_config["resources"]
EVALUATION_RESOURCES = dict(
    gpu=0 if run_config["model"]["device"] == "cpu" else ASKED["gpu"],
    mem_mb=lambda w, attempt: attempt * ASKED["mem_mb"],
    runtime=lambda w, attempt: attempt * ASKED["runtime"],
)


rule describe_model:
    input:
        code=code("describe_model.py"),
        checkpoint=CHECKPOINT,
    output:
        "results/{run}/model.json",
    log:
        "results/{run}/logs/describe_model.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=ASKED["mem_mb"],
        runtime=60,
    params:
        model=lambda w: stable(run_config["model"]),
    script:
        "../workflow/scripts/describe_model.py"


rule evaluate_baseline:
    input:
        code=evaluation_code,
        samples="results/{run}/datasets/{dataset}.parquet",
        model="results/{run}/model.json",
    output:
        "results/{run}/shards/{dataset}/baseline.parquet",
        prompt="results/{run}/prompts/{dataset}.txt",
    log:
        "results/{run}/logs/evaluate/{dataset}/baseline.log",
    benchmark:
        "results/{run}/benchmarks/evaluate/{dataset}/baseline.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        **EVALUATION_RESOURCES,
    params:
        **EVALUATION_PARAMS,
    script:
        "../workflow/scripts/evaluate.py"


rule evaluate_own:
    input:
        code=evaluation_code,
        samples="results/{run}/datasets/{dataset}.parquet",
        model="results/{run}/model.json",
        beam=parent_beam("own"),
    output:
        "results/{run}/shards/{dataset}/own/remove{size}.{part}.parquet",
    log:
        "results/{run}/logs/evaluate/{dataset}/own/remove{size}.{part}.log",
    benchmark:
        "results/{run}/benchmarks/evaluate/{dataset}/own/remove{size}.{part}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        **EVALUATION_RESOURCES,
    params:
        **EVALUATION_PARAMS,
        exhaustive=lambda w: int(w.size) in EXHAUSTIVE_SIZES,
    script:
        "../workflow/scripts/evaluate.py"


# Waits for the own step of the same size: what both propose is then in the cache, and computed once.
rule evaluate_generic:
    input:
        code=evaluation_code,
        samples="results/{run}/datasets/{dataset}.parquet",
        model="results/{run}/model.json",
        beam=parent_beam("generic"),
        before=expand(rules.evaluate_own.output, part=PARTS, allow_missing=True),
    output:
        "results/{run}/shards/{dataset}/generic/remove{size}.{part}.parquet",
    log:
        "results/{run}/logs/evaluate/{dataset}/generic/remove{size}.{part}.log",
    benchmark:
        "results/{run}/benchmarks/evaluate/{dataset}/generic/remove{size}.{part}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        **EVALUATION_RESOURCES,
    params:
        **EVALUATION_PARAMS,
        exhaustive=False,
    script:
        "../workflow/scripts/evaluate.py"


# On samples of both roles. All that the search evaluated is then in the cache.
rule evaluate_finalists:
    input:
        code=evaluation_code,
        samples="results/{run}/datasets/{dataset}.parquet",
        model="results/{run}/model.json",
        finalists="results/{run}/finalists.json",
    output:
        "results/{run}/shards/{dataset}/finalists.{part}.parquet",
    log:
        "results/{run}/logs/evaluate/{dataset}/finalists.{part}.log",
    benchmark:
        "results/{run}/benchmarks/evaluate/{dataset}/finalists.{part}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        **EVALUATION_RESOURCES,
    params:
        **EVALUATION_PARAMS | {"roles": ["search", "holdout"]},
    script:
        "../workflow/scripts/evaluate.py"
