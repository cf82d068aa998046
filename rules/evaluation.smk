# Evaluate combinations on samples: the jobs that use the model, and what they are asked.
# in: datasets, the model, beams of the size before   out: results/{run}/plans/{dataset}/{step}.json,
#   shards/{dataset}/{step}.{part}.parquet, times/{dataset}/{step}.{part}.json, prompts/{dataset}.txt,
#   answers/{dataset}.md, answers/{dataset}.json


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
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * 60,
    params:
        model=lambda w: stable(asdict(RUN.model)),
    script:
        "../workflow/scripts/describe_model.py"


# What the model sees of a dataset's first sample.
rule describe_prompt:
    input:
        code=code("describe_prompt.py"),
        samples="results/{run}/datasets/{dataset}.parquet",
        model="results/{run}/model.json",
    output:
        "results/{run}/prompts/{dataset}.txt",
    log:
        "results/{run}/logs/describe_prompt/{dataset}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        model=lambda w: stable(asdict(RUN.model)),
        definition=lambda w: stable(asdict(RUN.datasets[w.dataset])),
    script:
        "../workflow/scripts/describe_prompt.py"


rule propose:
    input:
        code=code("propose.py"),
        model="results/{run}/model.json",
        own_beam=beams_before("own"),
        generic_beam=beams_before("generic"),
        finalists=lambda w: (results("finalists.json") if w.step == FINALISTS else []),
        baseline=lambda w: [] if w.step == SINGLE else checked([w.dataset]),
        samples=lambda w: (
            results("datasets/{dataset}.parquet", dataset=w.dataset)
            if w.step in ROUNDS
            else []
        ),
    output:
        "results/{run}/plans/{dataset}/{step}.json",
    log:
        "results/{run}/logs/propose/{dataset}/{step}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 1000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        exportable=RUN.search.exportable,
        share=lambda w: share_of_step(w.step, RUN.search.racing),
    script:
        "../workflow/scripts/propose.py"


rule evaluate:
    input:
        code=lambda w: code("evaluate.py", f"metrics.{RUN.datasets[w.dataset].metric}"),
        samples="results/{run}/datasets/{dataset}.parquet",
        model="results/{run}/model.json",
        plan="results/{run}/plans/{dataset}/{step}.json",
    output:
        shard="results/{run}/shards/{dataset}/{step}.{part}.parquet",
        times="results/{run}/times/{dataset}/{step}.{part}.json",
    log:
        "results/{run}/logs/evaluate/{dataset}/{step}.{part}.log",
    benchmark:
        "results/{run}/benchmarks/evaluate/{dataset}/{step}.{part}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        gpu=0 if RUN.model.device == "cpu" else RUN.resources.gpu,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        definition=lambda w: stable(asdict(RUN.datasets[w.dataset])),
        model=lambda w: stable(asdict(RUN.model)),
        evaluation=lambda w: stable(asdict(RUN.evaluation)),
        parts=len(PARTS),
    script:
        "../workflow/scripts/evaluate.py"


# The baseline comes first in the first part of the first step.
BASELINE_SHARD = f"results/{{run}}/shards/{{dataset}}/{SINGLE}.0.parquet"


rule show_answers:
    input:
        code=code("show_answers.py"),
        samples="results/{run}/datasets/{dataset}.parquet",
        shard=BASELINE_SHARD,
    output:
        "results/{run}/answers/{dataset}.md",
    log:
        "results/{run}/logs/show_answers/{dataset}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        definition=lambda w: stable(asdict(RUN.datasets[w.dataset])),
    script:
        "../workflow/scripts/show_answers.py"


# Apart from the answers: a failed job's outputs are deleted, and these are to be looked at.
rule check_baseline:
    input:
        code=code("check_baseline.py"),
        samples="results/{run}/datasets/{dataset}.parquet",
        shard=BASELINE_SHARD,
        page="results/{run}/answers/{dataset}.md",
    output:
        "results/{run}/answers/{dataset}.json",
    log:
        "results/{run}/logs/check_baseline/{dataset}.log",
    priority: 100  # nothing more should be evaluated where it fails
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        metric=lambda w: RUN.datasets[w.dataset].metric,
        above_chance=lambda w: RUN.datasets[w.dataset].above_chance,
        weak_baseline=RUN.search.weak_baseline,
    script:
        "../workflow/scripts/check_baseline.py"
