# Select what survives a round of a race, the beams of both scopes, and the finalists.
# in: plans and shards of one step, proxies
# out: results/{run}/races/own/{dataset}/{round}.json, races/generic/{round}.json,
#   orders/own/{dataset}.json, orders/generic.json, beams/own/{dataset}/{beam}.json,
#   beams/generic/{beam}.json, finalists.json
# A beam is called remove1, remove2 ..., those of earlier generations of a size as their steps are.


rule race:
    input:
        plans=lambda w: results(
            "plans/{dataset}/{step}.json", dataset=DATASETS, step=w.round
        ),
        shards=lambda w: shards(steps=[BASELINE, w.round]),
    output:
        own=of_all_datasets("races/own/{dataset}/{round}.json"),
        generic=in_run("races/generic/{round}.json"),
    log:
        in_run("logs/race/{round}.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("race.py", *METRICS),
        datasets=DATASETS,
        definitions=definitions(),
        beam_width=RUN.search.beam_width,
        racing=RUN.search.racing,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/race.py"


rule select_beams:
    input:
        plans=lambda w: results(
            "plans/{dataset}/{step}.json",
            dataset=DATASETS,
            step=STEP_OF_BEAM[w.beam],
        ),
        shards=lambda w: shards(steps=[BASELINE, STEP_OF_BEAM[w.beam]]),
    output:
        own=of_all_datasets("beams/own/{dataset}/{beam}.json"),
        generic=in_run("beams/generic/{beam}.json"),
    log:
        in_run("logs/select_beams/{beam}.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("select_beams.py", *METRICS),
        datasets=DATASETS,
        definitions=definitions(),
        beam_width=RUN.search.beam_width,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/select_beams.py"


# What a one-shot search removes first.
rule order_sites:
    input:
        shards=shards(steps=[BASELINE, SINGLE]),
        proxies=(
            results("proxies/{dataset}.parquet", dataset=DATASETS)
            if RUN.search.proxy != "drop"
            else []
        ),
    output:
        own=of_all_datasets("orders/own/{dataset}.json"),
        generic=in_run("orders/generic.json"),
    log:
        in_run("logs/order_sites.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("order_sites.py", *METRICS),
        datasets=DATASETS,
        definitions=definitions(),
        proxy=RUN.search.proxy,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/order_sites.py"


rule select_finalists:
    input:
        beams=beams(),
        shards=shards(steps=SEARCH_STEPS),
    output:
        in_run("finalists.json"),
    log:
        in_run("logs/select_finalists.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 8000,
        runtime=lambda w, attempt: attempt * 60,
    params:
        code=code("select_finalists.py", *METRICS),
        definitions=definitions(),
        seed=RUN.seed,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        named=[str(combination) for combination in RUN.finalists],
    script:
        "../workflow/scripts/select_finalists.py"


rule evaluation:
    input:
        results("config.yaml"),  # checked against the model
        results("prompts/{dataset}.txt", dataset=DATASETS),
        shards(),
        beams(),
        results("finalists.json"),
    localrule: True
