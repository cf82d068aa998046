# From the recommended lists to checkpoints that transformers alone can load, and the proof that they answer as measured.
# in: the model, analysis/pruning_recommendations.json, shards   out: results/{run}/deployment/exports.json,
#   deployment/checkpoints/{combination}/, deployment/proof.json, and of healing training/{dataset}.parquet, {dataset}.json,
#   deployment/healing.json, deployment/healed/{combination}/


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


# ---- healing: off unless the config's deploy.heal.method says how ----


def healing(paths):
    """The paths, of which a run that heals nothing has none."""
    return searched(paths) if RUN.deploy.heal.method != "none" else []


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
        searched(results("deployment/exports.json")),
        searched(results("deployment/proof.json")),
        healing(results("deployment/healing.json")),
    localrule: True
