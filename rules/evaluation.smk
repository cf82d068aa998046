# Evaluate combinations on samples: the jobs that use the model, and what they are asked.
# in: datasets, the model, beams of the size before
# out: results/{run}/plans/{dataset}/{step}.json, shards/{dataset}/{step}.{part}.parquet,
#   times/{step}.{part}.json, prompts/{dataset}.txt, answers/{dataset}.md, answers/{dataset}.json,
#   proxies/{dataset}.parquet
# A job serves all datasets: starting a process and loading the model cost more than most of its
# work.


rule describe_model:
    input:
        checkpoint=CHECKPOINT,
    output:
        in_run("model.json"),
    log:
        in_run("logs/describe_model.log"),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * 60,
    params:
        code=code("describe_model.py"),
        model=lambda w: stable(asdict(RUN.model)),
    script:
        "../workflow/scripts/describe_model.py"


# What the model sees of each dataset's first sample.
rule describe_prompts:
    input:
        samples=SAMPLES,
        model=in_run("model.json"),
    output:
        of_all_datasets("prompts/{dataset}.txt"),
    log:
        in_run("logs/describe_prompts.log"),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("describe_prompts.py"),
        datasets=DATASETS,
        definitions=definitions(),
        model=lambda w: stable(asdict(RUN.model)),
    script:
        "../workflow/scripts/describe_prompts.py"


rule propose:
    input:
        model=in_run("model.json"),
        own_beams=beams_before("own/{dataset}"),
        generic_beam=beams_before("generic"),
        finalists=lambda w: (results("finalists.json") if w.step == FINALISTS else []),
        baselines=lambda w: [] if w.step == BASELINE else CHECKED_BASELINES,
        samples=lambda w: SAMPLES if w.step in ROUNDS else [],
        plans=plans_before,
    output:
        of_all_datasets("plans/{dataset}/{step}.json"),
    log:
        in_run("logs/propose/{step}.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 1000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        code=code("propose.py"),
        exportable=RUN.search.exportable,
        unit=RUN.search.unit,
        share=lambda w: share_of_step(w.step, RUN.search.racing),
        datasets=DATASETS,
        strategy=strategy,
    script:
        "../workflow/scripts/propose.py"


rule evaluate:
    input:
        samples=SAMPLES,
        model=in_run("model.json"),
        plans=of_all_datasets("plans/{dataset}/{step}.json"),
    output:
        shards=of_all_datasets("shards/{dataset}/{step}.{part}.parquet"),
        times=in_run("times/{step}.{part}.json"),
    log:
        in_run("logs/evaluate/{step}.{part}.log"),
    benchmark:
        in_run("benchmarks/evaluate/{step}.{part}.tsv")
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        code=code("evaluate.py", *METRICS),
        datasets=DATASETS,
        definitions=definitions(),
        model=lambda w: stable(asdict(RUN.model)),
        evaluation=lambda w: stable(asdict(RUN.evaluation)),
        parts=len(PARTS),
        cache=in_run("cache"),
    script:
        "../workflow/scripts/evaluate.py"


# One pass over the whole model, which reads the answers that it gave.
rule measure_proxies:
    input:
        samples=SAMPLES,
        model=in_run("model.json"),
        shards=shards(steps=[BASELINE]),
        baselines=CHECKED_BASELINES,
    output:
        of_all_datasets("proxies/{dataset}.parquet"),
    log:
        in_run("logs/measure_proxies.log"),
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=lambda w, attempt: attempt * RUN.resources.mem_mb,
        runtime=lambda w, attempt: attempt * RUN.resources.runtime,
    params:
        code=code("measure_proxies.py"),
        datasets=DATASETS,
        definitions=definitions(),
        model=lambda w: stable(asdict(RUN.model)),
        batch_size=RUN.evaluation.batch_size,
    script:
        "../workflow/scripts/measure_proxies.py"


rule show_answers:
    input:
        samples=SAMPLES,
        shards=shards(steps=[BASELINE]),
    output:
        of_all_datasets("answers/{dataset}.md"),
    log:
        in_run("logs/show_answers.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        code=code("show_answers.py"),
        datasets=DATASETS,
        definitions=definitions(),
    script:
        "../workflow/scripts/show_answers.py"


# Apart from the answers: a failed job's outputs are deleted, and these are to be looked at.
rule check_baselines:
    input:
        samples=SAMPLES,
        shards=shards(steps=[BASELINE]),
        pages=of_all_datasets("answers/{dataset}.md"),
    output:
        of_all_datasets("answers/{dataset}.json"),
    log:
        in_run("logs/check_baselines.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        code=code("check_baselines.py"),
        datasets=DATASETS,
        definitions=definitions(),
        weak_baseline=RUN.search.weak_baseline,
    script:
        "../workflow/scripts/check_baselines.py"
