# Draw each dataset's samples once.
# in: config/datasets/{dataset}.yaml (through the config), the dataset's own files if they are local
#   out: results/{run}/datasets/{dataset}.parquet, {dataset}.report.json


rule draw_samples:
    output:
        samples=in_run("datasets/{dataset}.parquet"),
        report=in_run("datasets/{dataset}.report.json"),
    log:
        in_run("logs/draw_samples/{dataset}.log"),
    localrule: True
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 720,
    params:
        code=drawing_code,
        definition=drawing_definition,
        counts=lambda w: stable(RUN.samples.counts(w.dataset)),
        max_bad_samples=RUN.samples.max_bad_samples,
        # A corrected answer or a replaced picture draws the dataset again.
        files=drawing_files,
        seed=RUN.seed,
    script:
        "../workflow/scripts/draw_samples.py"
