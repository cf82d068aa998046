# Draw each dataset's samples once.
# in: config/datasets/{dataset}.yaml (through the config)   out: results/{run}/datasets/{dataset}.parquet, {dataset}.report.json


rule draw_samples:
    input:
        code=drawing_code,
    output:
        samples="results/{run}/datasets/{dataset}.parquet",
        report="results/{run}/datasets/{dataset}.report.json",
    log:
        "results/{run}/logs/draw_samples/{dataset}.log",
    localrule: True
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 720,
    params:
        definition=drawing_definition,
        samples=lambda w: stable(asdict(RUN.samples)),
        seed=RUN.seed,
    script:
        "../workflow/scripts/draw_samples.py"
