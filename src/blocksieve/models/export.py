"""Write a model without some of its blocks as a checkpoint that transformers alone can load.

A removed half has zeros for weights there, since no stock class lacks one; the config names it, and
`blocksieve.halves.apply` then skips it.
"""

import fnmatch
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from blocksieve.combination import Combination
from blocksieve.errors import BlocksieveError, ModelError, name_and_first_line
from blocksieve.files import file_hash
from blocksieve.models.blocks import find_blocks
from blocksieve.models.checkpoint import (
    COPIES,
    WEIGHTS,
    as_written,
    decisive_files,
    fetch,
    identify,
)
from blocksieve.models.loading import (
    auto_class,
    auto_options,
    build_empty,
    empty_model,
    load_weights,
    read_config,
    readable,
    weight_faults,
)
from blocksieve.models.number_format import with_own_format
from blocksieve.models.pruned_config import pruned_config
from blocksieve.models.structure import first_difference, packed_dimension
from blocksieve.models.view import kept_blocks, without_blocks
from blocksieve.specs import ModelSpec
from blocksieve.version import VERSION

logger = logging.getLogger("blocksieve")

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
RECORD = "blocksieve.json"
# What stands for weights in files of the source: they are written anew.
WEIGHT_INDEX = "*.index.json"


class HealedRecord(TypedDict):
    """How an export's blocks were finetuned on the whole model's answers, and on how many."""

    method: str
    steps: int
    learning_rate: float
    samples: dict[str, int]
    seed: int
    trained_parameters: int


class ExportRecord(TypedDict):
    """Content of blocksieve.json in an exported folder; sizes of weights in bytes.

    `weights` are the SHA-256 of its weight files by name, `kept` the old numbers of the blocks in
    their new order. `zeros` counts the weights of removed halves. `copied` are the files that are
    the source's byte for byte, `code` those of them that are code.
    """

    source: str
    revision: str | None
    source_fingerprint: str
    removed: str
    kept: list[int]
    architecture: str
    dtype: str
    parameters: int
    zeros: int
    weights: dict[str, str]
    bytes: int
    source_bytes: int
    copied: list[str]
    code: list[str]
    versions: dict[str, str]
    healed: NotRequired["HealedRecord"]


Finish = Callable[[Path, ExportRecord], None]
"""What is done with a folder that is written, before it gets its name."""


@dataclass(frozen=True)
class _Plan:
    """What is to be written, without any weights: `stock` has tensors of no content."""

    combination: Combination
    config: PretrainedConfig
    stock: PreTrainedModel
    kept: list[int]
    num_blocks: int
    zeros: int


def export(
    model: ModelSpec, combination: Combination, folder: Path, finish: Finish | None = None
) -> ExportRecord:
    """Write the model without the combination's sites into a new folder, whole or not at all.

    `finish` may refuse what was written by an error, or add to it, before the folder gets its name.

    The stock class of the edited config must be, module by module, the model that is evaluated;
    its weights must survive a save and a load. ModelError with the first difference if not, or if
    the combination is refused, or if the folder exists.
    """
    if folder.exists():
        raise ModelError(f"{folder} exists already; name a new folder, or delete it first")
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    spec = with_own_format(model)
    plan = _plan(spec, empty_model(spec), combination)
    source = fetch(spec)
    with _whole_folder(folder) as staging:
        num_parameters = _write_weights(spec, source, plan, staging)
        copied = _copy_files(spec, source, staging)
        _check_reload(spec, combination, staging)
        record = _record(spec, source, plan, staging, copied, num_parameters)
        (staging / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if finish is not None:
            finish(staging, record)
    _log(spec, folder, record)
    return record


def export_healed(
    model: ModelSpec,
    exported: Path,
    weights: Mapping[str, torch.Tensor],
    healed: HealedRecord,
    folder: Path,
) -> ExportRecord:
    """Write an exported checkpoint with some weights replaced into a new folder, whole or not.

    `weights` are put into the format of those that they replace; all else is copied byte for byte.
    """
    if folder.exists():
        raise ModelError(f"{folder} exists already; name a new folder, or delete it first")
    spec = as_written(with_own_format(model), exported)
    record: ExportRecord = json.loads((exported / RECORD).read_text(encoding="utf-8"))
    combination = Combination.parse(record["removed"])
    with _whole_folder(folder) as staging:
        config = read_config(spec, str(exported))
        stock = load_weights(spec, config, str(exported), **auto_options(spec))
        stock_weights = stock.state_dict()
        for name, tensor in weights.items():
            stock_weights[name].copy_(tensor)
        stock.save_pretrained(staging)
        (staging / GENERATION_CONFIG).unlink(missing_ok=True)
        for file in decisive_files(exported, None):
            path = file.relative_to(exported)
            is_written_anew = path.name == RECORD or path.match(WEIGHT_INDEX)
            if not is_written_anew and file.suffix not in WEIGHTS:
                (staging / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, staging / path)
        _check_reload(spec, combination, staging)
        weight_files = sorted(staging.glob("*.safetensors"))
        record["weights"] = {file.name: file_hash(file) for file in weight_files}
        record["healed"] = healed
        (staging / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def why_not_exportable(
    model: ModelSpec, empty: PreTrainedModel, combination: Combination
) -> str | None:
    """Return why a combination cannot be exported, by the structure of the model without weights.

    None if nothing speaks against it.
    """
    try:
        _plan(with_own_format(model), empty, combination)
    except ModelError as error:
        return str(error)
    return None


def _plan(spec: ModelSpec, empty: PreTrainedModel, combination: Combination) -> _Plan:
    """Build the stock model of the edited config, and compare it with what is evaluated."""
    block_list = find_blocks(empty, spec.blocks)
    evaluated = without_blocks(empty, combination, spec.blocks)
    try:
        config = pruned_config(empty, block_list, combination)
    except ModelError as error:
        raise _cannot(combination, str(error)) from error
    stock = _build_stock(spec, config, combination)
    num_blocks = len(block_list.blocks)
    difference = first_difference(evaluated, stock, block_list.path, num_blocks)
    if difference is not None:
        raise _cannot(combination, f"after the removal {difference}")
    kept = kept_blocks(num_blocks, combination)
    removed_halves = [block_list.halves.by_site[site] for site in combination.halves]
    zeros = sum(half.num_weights for half in removed_halves)
    return _Plan(combination, stock.config, stock, kept, num_blocks, zeros)


def _cannot(combination: Combination, reason: str) -> ModelError:
    return ModelError(
        f"combination {combination} cannot be exported for stock transformers: {reason}"
    )


def _build_stock(
    spec: ModelSpec, config: PretrainedConfig, combination: Combination
) -> PreTrainedModel:
    """Write a config, read it back as a user would, and build its model without weights."""
    with tempfile.TemporaryDirectory() as folder:
        for code in _side_files(spec, fetch(spec)):
            if code.suffix == ".py":
                shutil.copy(code, folder)
        try:
            config.save_pretrained(folder)
            return build_empty(spec, read_config(as_written(spec, Path(folder)), folder))
        except BlocksieveError:
            raise
        except Exception as error:  # a config's own checks raise whatever they like
            reason = f"it refuses the edited config.json: {name_and_first_line(error)}"
            raise _cannot(combination, reason) from error


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder that takes the wanted name if the block ends well, and is deleted if not."""
    staging = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(staging, ignore_errors=True)  # what a killed export left
    staging.mkdir(parents=True)
    try:
        yield staging
        for path in staging.rglob("*"):
            if path.is_file():
                # Weights are written for their owner's eyes alone.
                shutil.copymode(staging / CONFIG, path)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_weights(spec: ModelSpec, source: Path, plan: _Plan, staging: Path) -> int:
    """Give the stock model the weights of the evaluated one, and save it; nothing is copied.

    Return the number of its parameters.
    """
    with readable(spec):
        config = read_config(spec, str(source))
        model = load_weights(spec, config, str(source), **auto_options(spec))
    evaluated = without_blocks(model, plan.combination, spec.blocks)
    weights = _stock_weights(evaluated.state_dict(), plan)
    try:
        plan.stock.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise _cannot(plan.combination, reason) from error
    plan.stock.tie_weights()
    plan.stock.save_pretrained(staging)
    # Tied ones once, as long as they are one tensor.
    num_parameters: int = sum(weight.numel() for weight in plan.stock.parameters())
    plan.stock.to("meta")  # frees the memory: the weights are loaded once more
    return num_parameters


def _stock_weights(weights: dict[str, torch.Tensor], plan: _Plan) -> dict[str, torch.Tensor]:
    """Cut the kept blocks' slices out of tensors that serve all blocks."""
    stock_weights = dict(weights)
    for name, built in plan.stock.state_dict().items():
        tensor = weights.get(name)
        if tensor is None or tensor.shape == built.shape:
            continue
        dimension = packed_dimension(tensor.shape, built.shape, plan.num_blocks, len(plan.kept))
        if dimension is not None:
            # (..., num_blocks * width, ...) -> (..., num_kept * width, ...)
            by_block = tensor.unflatten(dimension, (plan.num_blocks, -1))
            kept = torch.tensor(plan.kept, device=tensor.device)
            sliced = by_block.index_select(dimension, kept)
            stock_weights[name] = sliced.flatten(dimension, dimension + 1)
    return stock_weights


def _side_files(spec: ModelSpec, source: Path) -> list[Path]:
    """Return the source's files besides config and weights: tokenizer, templates, code."""
    # Python files that no config names are not the checkpoint's, such as those of a package.
    configs = source.glob("*config.json")
    has_code = any('"auto_map"' in file.read_text(encoding="utf-8") for file in configs)
    written_anew = (CONFIG, RECORD, WEIGHT_INDEX, *[f"*{suffix}" for suffix in WEIGHTS], *COPIES)
    files = []
    for file in decisive_files(source, spec.gguf_file):
        path = str(file.relative_to(source))
        if file.suffix == ".py" and not has_code:
            continue
        if not any(fnmatch.fnmatch(path, pattern) for pattern in written_anew):
            files.append(file)
    return files


def _copy_files(spec: ModelSpec, source: Path, staging: Path) -> list[str]:
    """Copy the source's side files byte for byte; return their paths.

    A GGUF file holds its tokenizer inside, which is written as files of its own.
    """
    # What the source does not hold, transformers makes from the config, here as there.
    (staging / GENERATION_CONFIG).unlink(missing_ok=True)
    if spec.gguf_file is not None:
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=spec.gguf_file)
        tokenizer.save_pretrained(staging)
    copied = []
    for file in _side_files(spec, source):
        path = file.relative_to(source)
        (staging / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, staging / path)
        copied.append(str(path))
    return copied


def _check_reload(spec: ModelSpec, combination: Combination, staging: Path) -> None:
    """Load what was written; ModelError unless its weights are just those of its class."""
    written = as_written(spec, staging)
    config = read_config(written, str(staging))
    _, loading_info = auto_class(written, config).from_pretrained(
        staging,
        dtype=getattr(torch, spec.dtype),
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        trust_remote_code=spec.trust_remote_code,
    )
    faults = weight_faults(loading_info)
    if faults:
        reason = f"it does not load the weights that it saved itself: {'; '.join(faults)}"
        raise _cannot(combination, reason)


def _record(
    spec: ModelSpec,
    source: Path,
    plan: _Plan,
    staging: Path,
    copied: list[str],
    num_parameters: int,
) -> ExportRecord:
    sources = [source / spec.gguf_file] if spec.gguf_file else source.glob("*.safetensors")
    weight_files = sorted(staging.glob("*.safetensors"))
    return {
        "source": spec.path,
        "revision": spec.revision,
        "source_fingerprint": identify(spec),
        "removed": str(plan.combination),
        "kept": plan.kept,
        "architecture": type(plan.stock).__name__,
        "dtype": spec.dtype,
        "parameters": num_parameters,
        "zeros": plan.zeros,
        "weights": {file.name: file_hash(file) for file in weight_files},
        "bytes": sum(file.stat().st_size for file in weight_files),
        "source_bytes": sum(file.stat().st_size for file in sources),
        "copied": copied,
        "code": [path for path in copied if path.endswith(".py")],
        "versions": {
            "blocksieve": VERSION,
            "torch": version("torch"),
            "transformers": version("transformers"),
        },
    }


def check_weights(folder: Path) -> None:
    """Raise a ModelError unless an exported folder's weights are as they were written."""
    record_file = folder / RECORD
    if not record_file.is_file():
        raise ModelError(f"{folder} has no {RECORD}, so that it is no export")
    record: ExportRecord = json.loads(record_file.read_text(encoding="utf-8"))
    for name, written_hash in record["weights"].items():
        if not (folder / name).is_file() or file_hash(folder / name) != written_hash:
            raise ModelError(
                f"{folder / name} is not as it was exported; delete the folder and export again"
            )


def _log(spec: ModelSpec, folder: Path, record: ExportRecord) -> None:
    megabytes, source_megabytes = record["bytes"] / 1e6, record["source_bytes"] / 1e6
    logger.info(
        "wrote %s without blocks %s to %s: %.1f MB of weights, %.1f MB before",
        spec.path,
        record["removed"],
        folder,
        megabytes,
        source_megabytes,
    )
    if spec.gguf_file is not None:
        logger.warning(
            "the weights are written as %s (%.1f MB), since transformers does not write GGUF: "
            "their source is smaller (%.1f MB)",
            spec.dtype,
            megabytes,
            source_megabytes,
        )
    if record["code"]:
        logger.warning(
            "code of the source was copied, and runs with trust_remote_code=True: %s",
            ", ".join(record["code"]),
        )
