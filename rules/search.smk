# Select what survives a round of a race, the beams of both scopes, and the finalists.
# in: plans and shards of one step   out: results/{run}/races/{scope}/{round}.json,
#   beams/own/{dataset}/remove{size}.json, beams/generic/remove{size}.json, finalists.json


# As for beams: any dataset's plan holds what the generic scope proposes.
rule race:
    input:
        code=code("race.py"),
        plan=lambda w: results(
            "plans/{dataset}/{step}.json", dataset=raced(w)[0], step=w.round
        ),
        shards=lambda w: shards(raced(w), [SINGLE, w.round]),
        baseline=lambda w: checked(raced(w)),
    output:
        "results/{run}/races/{scope}/{round}.json",
    log:
        "results/{run}/logs/race/{scope}/{round}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        definitions=lambda w: definitions(raced(w))(w),
        beam_width=RUN.search.beam_width,
        racing=RUN.search.racing,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/race.py"


rule select_own_beam:
    input:
        code=code("select_beam.py"),
        plan=lambda w: results(
            "plans/{dataset}/{step}.json",
            dataset=w.dataset,
            step=step_of_size(int(w.size)),
        ),
        shards=lambda w: shards_of_size([w.dataset], w.size),
        baseline=lambda w: checked([w.dataset]),
    output:
        "results/{run}/beams/own/{dataset}/remove{size}.json",
    log:
        "results/{run}/logs/select_own_beam/{dataset}/remove{size}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        scope="own",
        definitions=lambda w: definitions([w.dataset])(w),
        beam_width=RUN.search.beam_width,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/select_beam.py"


# Any dataset's plan holds what the generic beam proposes: it is the same for all.
rule select_generic_beam:
    input:
        code=code("select_beam.py"),
        plan=lambda w: results(
            "plans/{dataset}/{step}.json",
            dataset=DATASETS[0],
            step=step_of_size(int(w.size)),
        ),
        shards=lambda w: shards_of_size(DATASETS, w.size),
        baseline=checked(),
    output:
        "results/{run}/beams/generic/remove{size}.json",
    log:
        "results/{run}/logs/select_generic_beam/remove{size}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        scope="generic",
        definitions=definitions(),
        beam_width=RUN.search.beam_width,
        across_datasets=RUN.analysis.across_datasets,
        weights=lambda w: stable(RUN.analysis.weights),
        seed=RUN.seed,
    script:
        "../workflow/scripts/select_beam.py"


rule select_finalists:
    input:
        code=code("select_finalists.py"),
        beams=beams(),
        shards=shards(steps=SEARCH_STEPS),
    output:
        "results/{run}/finalists.json",
    log:
        "results/{run}/logs/select_finalists.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 8000,
        runtime=lambda w, attempt: attempt * 60,
    params:
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
    localrule: True
