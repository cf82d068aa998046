# From the recommended lists to checkpoints that transformers alone can load: what they gain, and the proof that they
# answer as measured.
# in: the model, analysis/pruning_recommendations.json, shards   out: results/{run}/deployment/deployment.json,
#   deployment/exports.json, deployment/proof.json, deployment/checkpoints/{combination}/


# Takes all cores of this machine, so that nothing else of the run is beside what is timed. A cluster names no cores.
rule measure_gain:
    input:
        code=code("measure_gain.py"),
        checkpoint=CHECKPOINT,
        model="results/{run}/model.json",
        recommendations="results/{run}/analysis/pruning_recommendations.json",
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
    output:
        "results/{run}/deployment/deployment.json",
    log:
        "results/{run}/logs/measure_gain.log",
    conda:
        "../envs/models.yaml"
    threads: workflow.resource_settings.cores or 1
    resources:
        gpu=0 if RUN.model.device == "cpu" else RUN.resources.gpu,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        model=lambda w: stable(asdict(RUN.model)),
        evaluation=lambda w: stable(asdict(RUN.evaluation)),
        definitions=definitions(),
    script:
        "../workflow/scripts/measure_gain.py"


rule export_lists:
    input:
        code=code("export_lists.py"),
        checkpoint=CHECKPOINT,
        model="results/{run}/model.json",
        recommendations="results/{run}/analysis/pruning_recommendations.json",
        evaluations="results/{run}/evaluations.parquet",
        gain="results/{run}/deployment/deployment.json",
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
        shards=shards(),
    output:
        exports="results/{run}/deployment/exports.json",
        proof="results/{run}/deployment/proof.json",
        checkpoints=directory("results/{run}/deployment/checkpoints"),
    log:
        "results/{run}/logs/export_lists.log",
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
        "../workflow/scripts/export_lists.py"


rule deploy:
    input:
        searched(results("deployment/deployment.json")),
        searched(results("deployment/exports.json")),
        searched(results("deployment/proof.json")),
    localrule: True
