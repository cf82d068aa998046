# Write the report, as plain text and as Markdown.
# in: evaluations and all analyses   out: results/{run}/report/comprehensive_report.txt, .md

from blocksieve.report import SECTIONS


rule write_report:
    input:
        code=code("write_report.py", *[f"report.{name}" for name in SECTIONS]),
        evaluations="results/{run}/evaluations.parquet",
        tables=results("analysis/{analysis}.parquet", analysis=TABLES),
        documents=results("analysis/{analysis}.json", analysis=DOCUMENTS),
        model=[] if given_table() else "results/{run}/model.json",
    output:
        text=report("results/{run}/report/comprehensive_report.txt", category="Report"),
        markdown="results/{run}/report/comprehensive_report.md",
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
        results("report/comprehensive_report.txt"),
        results("report/comprehensive_report.md"),
