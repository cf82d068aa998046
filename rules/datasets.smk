# Draw each dataset's samples once.
# in: config/datasets/{dataset}.yaml (through the config)   out: results/{run}/datasets/{dataset}.parquet, {dataset}.report.json


from blocksieve.datasets.sources import SOURCES


rule draw_samples:
    input:
        code=lambda w: code(
            "draw_samples.py",
            SOURCES[DATASETS[w.dataset]["source"]["kind"]],
            f"metrics.{DATASETS[w.dataset]['metric']}",
        ),
    output:
        samples="results/{run}/datasets/{dataset}.parquet",
        report="results/{run}/datasets/{dataset}.report.json",
    log:
        "results/{run}/logs/draw_samples/{dataset}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        definition=lambda w: stable(
            {key: DATASETS[w.dataset][key] for key in ("source", "splits", "metric")}
        ),
        samples=lambda w: stable(run_config["samples"]),
        seed=run_config["seed"],
    script:
        "../workflow/scripts/draw_samples.py"
