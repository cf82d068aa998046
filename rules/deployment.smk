# From the recommended lists to checkpoints that transformers alone can load: what they gain, and the proof that they
# answer as measured.
# in: the model, analysis/pruning_recommendations.json, shards   out: results/{run}/deployment/deployment.json,
#   deployment/exports.json, deployment/proof.json, deployment/checkpoints/{combination}/, and of healing
#   training/{dataset}.parquet, .json, deployment/healing.json, deployment/healed/{combination}/


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


# ---- healing: off unless the config's deploy.heal.method says how ----


rule draw_train_samples:
    input:
        code=lambda w: drawing_code(w, "draw_train_samples.py"),
        # What no training prompt may come from.
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
    output:
        samples="results/{run}/training/{dataset}.parquet",
        report="results/{run}/training/{dataset}.json",
    log:
        "results/{run}/logs/draw_train_samples/{dataset}.log",
    localrule: True
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 720,
    params:
        definition=lambda w: stable(asdict(RUN.datasets[w.dataset])),
        most=RUN.deploy.heal.samples,
        seed=RUN.seed,
    script:
        "../workflow/scripts/draw_train_samples.py"


rule heal:
    input:
        code=code(
            "heal_lists.py",
            *{f"metrics.{definition.metric}" for definition in RUN.datasets.values()},
        ),
        checkpoint=CHECKPOINT,
        model="results/{run}/model.json",
        recommendations="results/{run}/analysis/pruning_recommendations.json",
        exports="results/{run}/deployment/exports.json",
        evaluations="results/{run}/evaluations.parquet",
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
        train=results("training/{dataset}.parquet", dataset=sorted(DATASETS)),
        reports=results("training/{dataset}.json", dataset=sorted(DATASETS)),
    output:
        document="results/{run}/deployment/healing.json",
        checkpoints=directory("results/{run}/deployment/healed"),
    log:
        "results/{run}/logs/heal.log",
    conda:
        "../envs/models.yaml"
    # All cores that the run has, but not more than help.
    threads: 8
    resources:
        gpu=0 if RUN.model.device == "cpu" else RUN.resources.gpu,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        model=lambda w: stable(asdict(RUN.model)),
        definitions=definitions(),
        evaluation=lambda w: stable(asdict(RUN.evaluation)),
        analysis=lambda w: stable(asdict(RUN.analysis)),
        heal=lambda w: stable(asdict(RUN.deploy.heal)),
        seed=RUN.seed,
    script:
        "../workflow/scripts/heal_lists.py"


rule deploy:
    input:
        searched(results("deployment/deployment.json")),
        searched(results("deployment/exports.json")),
        searched(results("deployment/proof.json")),
        healing(results("deployment/healing.json")),
    localrule: True
