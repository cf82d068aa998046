# Write the report.
# in: evaluations and analysis tables   out: results/{run}/report/comprehensive_report.txt


rule write_report:
    input:
        code=code("write_report.py"),
        evaluations="results/{run}/evaluations.parquet",
        rankings="results/{run}/analysis/rankings_by_num_removed.parquet",
        model=[] if given_table() else "results/{run}/model.json",
        shards=[] if given_table() else every_shard(),
    output:
        report("results/{run}/report/comprehensive_report.txt", category="Report"),
    log:
        "results/{run}/logs/write_report.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=lambda w: stable(run_config),
    script:
        "../workflow/scripts/write_report.py"


rule report:
    input:
        rules.write_report.output[0].replace("{run}", RUN),
