"""The model card of an exported checkpoint: its README.md, as hubs show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from blocksieve.combination import HALF_NAMES, NONE, Combination
from blocksieve.deployment.gain import DeploymentDocument, ModelGain
from blocksieve.deployment.proof import Proof
from blocksieve.deployment.timing import AtBatch, Median, Timing
from blocksieve.models.checkpoint import MODEL_CARD
from blocksieve.models.export import ExportRecord
from blocksieve.specs import ModelSpec
from blocksieve.units import PERCENT

NOT_STATED = "not stated by the source"
# What hubs read as a licence that nobody stated.
UNKNOWN_LICENCE = "unknown"
TASKS = {"vlm": "image-text-to-text", "text": "text-generation"}
AUTO_CLASSES = {
    "vlm": ("AutoModelForImageTextToText", "AutoProcessor"),
    "text": ("AutoModelForCausalLM", "AutoTokenizer"),
}
MILLION = 1e6
MILLISECONDS = 1000


@dataclass(frozen=True)
class ExportFacts:
    """What every card tells of a checkpoint; `proof` is None if it was never evaluated."""

    model: ModelSpec
    record: ExportRecord
    licence: str | None
    proof: Proof | None


@dataclass(frozen=True)
class CardFacts(ExportFacts):
    """All that the card of an export tells.

    `losses`: the rows of the evaluations with this combination on samples of one role that chose
    nothing. `gain`: what was measured, of which this combination may be none.
    """

    run: str
    losses: pl.DataFrame
    gain: DeploymentDocument


def card(facts: CardFacts) -> str:
    """Return the card as Markdown; the same facts give the same bytes."""
    parts = [
        header(facts),
        title(facts.record),
        _summary(facts.record),
        "## From which model",
        source_table(facts),
        "## What was removed",
        removed_blocks(facts.record),
        "## What it loses",
        *_losses(facts),
        "## What it gains",
        *_gains(facts),
        "## How to load it",
        *loading(facts),
        "## How it was made, and proven",
        *_making(facts),
    ]
    return "\n\n".join(parts) + "\n"


def source_licence(folder: Path) -> str | None:
    """Return the licence in the header of a checkpoint's own card; None if there is none."""
    file = folder / MODEL_CARD
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8", errors="replace")
    if not text.startswith("---\n"):
        return None
    header, _, _ = text.removeprefix("---\n").partition("\n---")
    try:
        content = yaml.safe_load(header)
    except yaml.YAMLError:
        return None
    licence = content.get("license") if isinstance(content, dict) else None
    return str(licence) if licence else None


def header(facts: ExportFacts) -> str:
    """Return the YAML that hubs read."""
    content = {
        "base_model": facts.record["source"],
        "library_name": "transformers",
        "license": facts.licence or UNKNOWN_LICENCE,
        "pipeline_tag": TASKS[facts.model.kind],
        "tags": ["blocksieve", "depth-pruning", "pruned"],
    }
    header = yaml.safe_dump(content, sort_keys=True, allow_unicode=True)
    return f"---\n{header}---"


def title(record: ExportRecord) -> str:
    """Return the heading: the source without so many of its blocks, and without halves of some."""
    name = Path(record["source"]).name
    removed = Combination.parse(record["removed"])
    num_blocks = len(removed.whole_blocks) + len(record["kept"])
    if not removed.halves:
        return f"# {name} without {removed.size} of its {num_blocks} decoder blocks"
    parts = [f"{len(removed.whole_blocks)} of its {num_blocks} decoder blocks"]
    for part, half in HALF_NAMES.items():
        num_halves = sum(site.part == part for site in removed.halves)
        parts.append(f"{num_halves} {half}s")
    return f"# {name} without {', '.join(parts)}"


def _summary(record: ExportRecord) -> str:
    text = (
        f"{record['parameters'] / MILLION:,.1f} million parameters in {record['dtype']}. "
        "Nothing was trained: all weights that are left are those of the source."
    )
    if not record["zeros"]:
        return text
    return (
        f"{text} {record['zeros'] / MILLION:,.1f} million of them are zeros, in place of the halves"
        " of blocks that are removed."
    )


def source_table(facts: ExportFacts) -> str:
    """Return from which model the checkpoint was made."""
    record = facts.record
    rows = [
        ("model", record["source"]),
        ("revision", record["revision"] or "a folder"),
        ("fingerprint", record["source_fingerprint"]),
        ("licence", facts.licence or NOT_STATED),
        ("class", record["architecture"]),
    ]
    return table(("source", ""), rows)


def removed_blocks(record: ExportRecord) -> str:
    """Say which blocks the checkpoint lacks, and of which it has one half."""
    kept = ", ".join(map(str, record["kept"]))
    meaning = ""
    if Combination.parse(record["removed"]).halves:
        meaning = " 4a is the token mixer (attention) of block 4, 4m its channel mixer (MLP)."
    return (
        f"Decoder blocks **{record['removed']}**, counted from 0.{meaning} "
        f"The blocks that are left had the numbers {kept}."
    )


def _losses(facts: CardFacts) -> list[str]:
    """Say what each dataset loses, on samples that chose nothing."""
    if facts.losses.is_empty():
        return ["Not measured on samples that were never used to choose."]
    rows = []
    for row in facts.losses.sort("dataset").iter_rows(named=True):
        low, high = _points(row["ci_low"]), _points(row["ci_high"])
        rows.append(
            (
                row["dataset"],
                row["task_type"],
                _points(row["baseline"]),
                _points(row["score"]),
                _points(row["drop"], sign="+"),
                f"{low} to {high}",
                f"{row['n']} {row['role']}",
            )
        )
    header = ("dataset", "task", "whole", "this model", "drop", "95 % interval", "samples")
    note = (
        "Scores in points (100 times the metric), on samples that were never used to choose the"
        " blocks. A drop below 0 is a gain."
    )
    texts = [note, table(header, rows)]
    gain = _gain_of(facts, facts.record["removed"])
    if gain is not None and gain["holdout"] is not None:
        texts.append(
            "On average over the datasets, as the run counts and weighs them, on holdout samples:"
            f" {_mean(gain, facts.gain['unit'])}."
        )
    return texts


def _mean(gain: ModelGain, unit: str) -> str:
    holdout = gain["holdout"]
    if holdout is None or holdout["drop"] is None:
        return "not known"
    mean = f"{holdout['drop']:+.2f} {unit}"
    if holdout["low"] is None or holdout["high"] is None:
        return mean
    return f"{mean}, 95 % interval {holdout['low']:+.2f} to {holdout['high']:+.2f}"


def _points(score: float | None, sign: str = "") -> str:
    return "-" if score is None else f"{PERCENT * score:{sign}.1f}"


def _gain_of(facts: CardFacts, combination: str) -> ModelGain | None:
    for gain in facts.gain["models"]:
        if gain["combination"] == combination:
            return gain
    return None


def _gains(facts: CardFacts) -> list[str]:
    gain = _gain_of(facts, facts.record["removed"])
    whole = _gain_of(facts, str(NONE))
    if gain is None or whole is None:
        return ["Not measured: the run measures the best list of every size."]
    rows = [
        _ratio_row("parameters, million", whole["parameters"], gain["parameters"], MILLION),
        _ratio_row("weights, MB", whole["bytes"], gain["bytes"], MILLION),
    ]
    for whole_at, gain_at in zip(whole["at_batch"], gain["at_batch"], strict=True):
        rows += _rows_at_batch(whole_at, gain_at)
    before, after = whole["cache_bytes_per_token"], gain["cache_bytes_per_token"]
    if before is not None and after is not None:
        rows.append(_ratio_row("keys and values per token, kB", before, after, 1000))
    texts = [table(("", "whole", "this model", "share"), rows), _conditions(facts.gain)]
    if gain["skipping"]:
        rows = []
        for whole_at, gain_at in zip(whole["at_batch"], gain["skipping"], strict=True):
            rows += _rows_at_batch(whole_at, gain_at)
        texts += [
            "Stock classes compute with the zeros. Where the halves do not run"
            " (`blocksieve.halves.apply`, below):",
            table(("", "whole", "this model, skipping", "share"), rows),
        ]
    return texts


def _rows_at_batch(before: AtBatch, after: AtBatch) -> Iterable[tuple[str, str, str, str]]:
    size = before["batch_size"]
    prompts = "1 prompt" if size == 1 else f"{size} prompts at once"
    yield _time_row(f"first token, {prompts}, ms", before["first_token"], after["first_token"])
    yield _time_row(
        f"further token, {prompts}, ms", before["further_token"], after["further_token"]
    )
    yield _ratio_row(
        f"peak memory, {prompts}, MB", before["peak_bytes"], after["peak_bytes"], MILLION
    )


def _ratio_row(name: str, before: float, after: float, unit: float) -> tuple[str, str, str, str]:
    share = f"{PERCENT * after / before:.1f} %" if before else "-"
    return name, f"{before / unit:,.1f}", f"{after / unit:,.1f}", share


def _time_row(name: str, before: Timing, after: Timing) -> tuple[str, str, str, str]:
    share = after["of_whole"]
    ends = f"{PERCENT * share['low']:.0f} to {PERCENT * share['high']:.0f}"
    return (
        name,
        _milliseconds(before["seconds"]),
        _milliseconds(after["seconds"]),
        f"{PERCENT * share['median']:.0f} % ({ends})",
    )


def _milliseconds(seconds: Median) -> str:
    low, high = MILLISECONDS * seconds["low"], MILLISECONDS * seconds["high"]
    return f"{MILLISECONDS * seconds['median']:.1f} ({low:.1f} to {high:.1f})"


def _conditions(gain: DeploymentDocument) -> str:
    conditions = gain["conditions"]
    prompts, answers = conditions["prompt_tokens"], conditions["answer_tokens"]
    versions = ", ".join(f"{name} {number}" for name, number in conditions["versions"].items())
    whole = gain["models"][0]
    turns = [f"{each['repeats']} times with {each['batch_size']}" for each in whole["at_batch"]]
    return (
        f"Measured on {conditions['device_name']} ({conditions['device']}), in"
        f" {conditions['dtype']}, attention {conditions['attention']},"
        f" threads: {conditions['threads']}; {versions}. "
        f"Prompts of {conditions['role']} samples with {prompts['least']} to"
        f" {prompts['greatest']} tokens, answers of {answers['greatest']}; whole and pruned models"
        f" took turns, {', '.join(turns)} at once, after a warm-up. Medians with their 95 %"
        " intervals. First token: from the model's inputs to its scores, without the preparation of"
        f" the prompt. Peak memory: {conditions['peak']}."
    )


def loading(facts: ExportFacts) -> list[str]:
    """Say how transformers and vLLM load the checkpoint."""
    model_class, processor_class = AUTO_CLASSES[facts.model.kind]
    code = facts.record["code"]
    option = ", trust_remote_code=True" if code else ""
    flag = " --trust-remote-code" if code else ""
    texts = [
        "With transformers, from this folder (without blocksieve):",
        "```python\n"
        f"from transformers import {model_class}, {processor_class}\n\n"
        f'model = {model_class}.from_pretrained("FOLDER"{option})\n'
        f'processor = {processor_class}.from_pretrained("FOLDER"{option})\n'
        "```",
        f"With vLLM, where it supports `{facts.record['architecture']}` (not tried here):",
        f"```sh\nvllm serve FOLDER{flag}\n```",
    ]
    if facts.record["zeros"]:
        texts += [
            "This gives the right answers, since the weights of removed halves are zeros, but no"
            " speed. With blocksieve installed, they do not run at all:",
            "```python\nimport blocksieve.halves\n\nblocksieve.halves.apply(model)\n```",
        ]
    if code:
        texts.append(f"Code of the source is in this folder, and then runs: {', '.join(code)}.")
    return texts


def _making(facts: CardFacts) -> list[str]:
    record = facts.record
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return [
        f"```sh\nblocksieve export {facts.run} --list {record['removed']} --out FOLDER\n```",
        f"{versions}. `blocksieve.json` holds the hashes of the weights.",
        proof_sentence(facts.proof),
    ]


def proof_sentence(proof: Proof | None) -> str:
    """Say how the checkpoint was proven."""
    if proof is None:
        return (
            "**Not proven**: the search never evaluated this list, so that there are no answers to"
            " compare with."
        )
    return (
        "A process with transformers alone loaded this folder, with no weight missing or left over,"
        f" and answered {proof['samples']} {proof['role']} samples: {proof['equal']} token for"
        f" token as the search measured, {proof['near_ties']} otherwise in near ties of a 16-bit"
        " number format. Any other difference would have refused the export."
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows of text as Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
