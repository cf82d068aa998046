# Select the beams of both scopes, and the finalists.
# in: shards of one size   out: results/{run}/beams/own/{dataset}/remove{size}.json, beams/generic/remove{size}.json, finalists.json


rule select_own_beam:
    input:
        code=code("select_beam.py"),
        shards=lambda w: baseline_shard(w.dataset)
        + step_shards("own", w.size, w.dataset),
    output:
        "results/{run}/beams/own/{dataset}/remove{size}.json",
    log:
        "results/{run}/logs/select_own_beam/{dataset}/remove{size}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        definitions=lambda w: stable({w.dataset: DATASETS[w.dataset]}),
        beam_width=run_config["search"]["beam_width"],
        across_datasets=None,
        seed=run_config["seed"],
    script:
        "../workflow/scripts/select_beam.py"


rule select_generic_beam:
    input:
        code=code("select_beam.py"),
        shards=lambda w: [
            shard
            for dataset in DATASETS
            for shard in baseline_shard(dataset)
            + step_shards("generic", w.size, dataset)
        ],
    output:
        "results/{run}/beams/generic/remove{size}.json",
    log:
        "results/{run}/logs/select_generic_beam/remove{size}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        definitions=lambda w: stable(DATASETS),
        beam_width=run_config["search"]["beam_width"],
        across_datasets=run_config["analysis"]["across_datasets"],
        seed=run_config["seed"],
    script:
        "../workflow/scripts/select_beam.py"


rule select_finalists:
    input:
        code=code("select_finalists.py"),
        beams=every_beam(),
        shards=[shard for dataset in DATASETS for shard in search_shards(dataset)],
    output:
        "results/{run}/finalists.json",
    log:
        "results/{run}/logs/select_finalists.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        definitions=lambda w: stable(DATASETS),
        seed=run_config["seed"],
        across_datasets=run_config["analysis"]["across_datasets"],
        named=run_config["finalists"],
    script:
        "../workflow/scripts/select_finalists.py"


rule evaluate:
    input:
        results("config.yaml"),  # checked against the model
        [shard for dataset in DATASETS for shard in all_shards(dataset)],
        every_beam(),
