# From the recommended lists to checkpoints that transformers alone can load, and the proof that they answer as measured.
# in: the model, analysis/pruning_recommendations.json, shards   out: results/{run}/deployment/exports.json,
#   deployment/checkpoints/{combination}/, deployment/proof.json


rule export_lists:
    input:
        code=code("export_lists.py"),
        checkpoint=CHECKPOINT,
        model="results/{run}/model.json",
        recommendations="results/{run}/analysis/pruning_recommendations.json",
    output:
        exports="results/{run}/deployment/exports.json",
        checkpoints=directory("results/{run}/deployment/checkpoints"),
    log:
        "results/{run}/logs/export_lists.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * 120,
    params:
        model=lambda w: stable(asdict(RUN.model)),
    script:
        "../workflow/scripts/export_lists.py"


rule prove_exports:
    input:
        code=code("prove_exports.py"),
        model="results/{run}/model.json",
        exports="results/{run}/deployment/exports.json",
        checkpoints="results/{run}/deployment/checkpoints",
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
        shards=shards(),
    output:
        "results/{run}/deployment/proof.json",
    log:
        "results/{run}/logs/prove_exports.log",
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        gpu=0 if RUN.model.device == "cpu" else RUN.resources.gpu,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        model=lambda w: stable(asdict(RUN.model)),
        definitions=definitions(),
    script:
        "../workflow/scripts/prove_exports.py"


rule deploy:
    input:
        searched(results("deployment/exports.json")),
        searched(results("deployment/proof.json")),
    localrule: True
