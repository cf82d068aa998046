# Select what survives a round of a race, the beams of both scopes, and the finalists.
# in: plans and shards of one step   out: results/{run}/races/own/{dataset}/{round}.json,
#   races/generic/{round}.json, beams/own/{dataset}/remove{size}.json, beams/generic/remove{size}.json, finalists.json


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
        code=code("race.py"),
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
            step=step_of_size(int(w.size)),
        ),
        shards=lambda w: shards(steps=[BASELINE, step_of_size(int(w.size))]),
    output:
        own=of_all_datasets("beams/own/{dataset}/remove{size}.json"),
        generic=in_run("beams/generic/remove{size}.json"),
    log:
        in_run("logs/select_beams/remove{size}.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("select_beams.py"),
        datasets=DATASETS,
        definitions=definitions(),
        beam_width=RUN.search.beam_width,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/select_beams.py"


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
        code=code("select_finalists.py"),
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
