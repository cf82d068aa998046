# Write the report, as plain text and as Markdown.
# in: evaluations and all analyses   out: results/{run}/report/comprehensive_report.txt, .md


rule write_report:
    input:
        code=code("write_report.py"),
        evaluations="results/{run}/evaluations.parquet",
        analyses=ANALYSIS_FILES,
        model=searched(results("model.json")),
        shards=searched(shards()),
    output:
        text=report("results/{run}/report/comprehensive_report.txt", category="Report"),
        markdown="results/{run}/report/comprehensive_report.md",
    log:
        "results/{run}/logs/write_report.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        config=lambda w: stable(RUN.content()),
    script:
        "../workflow/scripts/write_report.py"


rule report:
    input:
        results("report/comprehensive_report.txt"),
        results("report/comprehensive_report.md"),
    localrule: True
