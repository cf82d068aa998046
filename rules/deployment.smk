# From the recommended lists to checkpoints that transformers alone can load: what they gain, and
# the proof that they answer as measured.
# in: the model, analysis/pruning_recommendations.json, shards
# out: results/{run}/deployment/deployment.json, deployment/exports.json, deployment/proof.json,
#   deployment/checkpoints/{combination}/, and of healing training/{dataset}.parquet, .json,
#   deployment/healing.json, deployment/healed/{combination}/


# Takes all cores of this machine, so that nothing else of the run is beside what is timed. A
# cluster names no cores.
rule measure_gain:
    input:
        checkpoint=CHECKPOINT,
        model=in_run("model.json"),
        recommendations=in_run("analysis/pruning_recommendations.json"),
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
    output:
        in_run("deployment/deployment.json"),
    log:
        in_run("logs/measure_gain.log"),
    conda:
        "../envs/models.yaml"
    threads: workflow.resource_settings.cores or 1
    resources:
        gpu=GPUS,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        code=code("measure_gain.py"),
        model=lambda w: stable(asdict(RUN.model)),
        evaluation=lambda w: stable(asdict(RUN.evaluation)),
        definitions=definitions(),
    script:
        "../workflow/scripts/measure_gain.py"


rule export_lists:
    input:
        checkpoint=CHECKPOINT,
        model=in_run("model.json"),
        recommendations=in_run("analysis/pruning_recommendations.json"),
        evaluations=in_run("evaluations.parquet"),
        gain=in_run("deployment/deployment.json"),
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
        # Every list that is exported is among the finalists.
        shards=shards(steps=[BASELINE, FINALISTS]),
    output:
        exports=in_run("deployment/exports.json"),
        proof=in_run("deployment/proof.json"),
        checkpoints=directory(in_run("deployment/checkpoints")),
    log:
        in_run("logs/export_lists.log"),
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        code=code("export_lists.py"),
        run=RUN.run,
        model=lambda w: stable(asdict(RUN.model)),
        definitions=definitions(),
    script:
        "../workflow/scripts/export_lists.py"


# ---- healing: off unless the config's deploy.heal.method says how ----


rule draw_train_samples:
    input:
        # What no training prompt may come from.
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
    output:
        samples=in_run("training/{dataset}.parquet"),
        report=in_run("training/{dataset}.json"),
    log:
        in_run("logs/draw_train_samples/{dataset}.log"),
    localrule: True
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 720,
    params:
        code=lambda w: drawing_code(w, "draw_train_samples.py"),
        definition=drawing_definition,
        files=lambda w: drawing_files(w, "train"),
        most=RUN.deploy.heal.samples,
        seed=RUN.seed,
    script:
        "../workflow/scripts/draw_train_samples.py"


rule heal:
    input:
        checkpoint=CHECKPOINT,
        model=in_run("model.json"),
        recommendations=in_run("analysis/pruning_recommendations.json"),
        exports=in_run("deployment/exports.json"),
        evaluations=in_run("evaluations.parquet"),
        samples=results("datasets/{dataset}.parquet", dataset=sorted(DATASETS)),
        train=results("training/{dataset}.parquet", dataset=sorted(DATASETS)),
        reports=results("training/{dataset}.json", dataset=sorted(DATASETS)),
    output:
        document=in_run("deployment/healing.json"),
        checkpoints=directory(in_run("deployment/healed")),
    log:
        in_run("logs/heal.log"),
    conda:
        "../envs/models.yaml"
    # All cores that the run has, but not more than help.
    threads: 8
    resources:
        gpu=GPUS,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        code=code("heal_lists.py", *METRICS),
        cache=in_run("cache"),
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
        GAIN,
        searched(results("deployment/exports.json")),
        searched(results("deployment/proof.json")),
        HEALED,
    localrule: True
