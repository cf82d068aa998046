# Write the page, the report as plain text and as Markdown, and what the run took.
# in: evaluations, all analyses, figures; for the page samples and shards, too
# out: results/{run}/report/index.html, comprehensive_report.txt, .md, times.md

from blocksieve.page import ASSETS, SCRIPTS, STYLE, TEMPLATE


# One file for a browser.
rule page:
    input:
        **EVIDENCE,
        assets=[os.path.relpath(ASSETS / name) for name in (TEMPLATE, STYLE, *SCRIPTS)],
        analyses=ANALYSIS_FILES,
        figures=results("figures/{figure}.json", figure=FIGURES),
        samples=searched(SAMPLES),
        # Lists are shown by their answers to holdout samples.
        shards=searched(shards(steps=[BASELINE, FINALISTS])),
        times=searched(job_times()),
        deployment=GAIN,
    output:
        in_run("report/index.html"),
    log:
        in_run("logs/page.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("write_page.py"),
        config=lambda w: stable(RUN.content()),
    script:
        "../workflow/scripts/write_page.py"


rule write_report:
    input:
        evaluations=in_run("evaluations.parquet"),
        analyses=ANALYSIS_FILES,
        model=searched(results("model.json")),
    output:
        text=report(in_run("report/comprehensive_report.txt"), category="Report"),
        markdown=in_run("report/comprehensive_report.md"),
    log:
        in_run("logs/write_report.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 4000,
        runtime=lambda w, attempt: attempt * 30,
    params:
        code=code("write_report.py", *[f"report.{name}" for name in SECTIONS]),
        config=lambda w: stable(RUN.content()),
    script:
        "../workflow/scripts/write_report.py"


# Apart from the report, since two runs with the same results take different times.
rule report_times:
    input:
        times=searched(job_times()),
    output:
        in_run("report/times.md"),
    log:
        in_run("logs/report_times.log"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * 1000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        code=code("report_times.py"),
    script:
        "../workflow/scripts/report_times.py"


rule report:
    input:
        results("report/index.html"),
        results("report/comprehensive_report.txt"),
        results("report/comprehensive_report.md"),
        searched(results("report/times.md")),
    localrule: True
