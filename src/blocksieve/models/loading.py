"""Load a checkpoint with its processor through transformers' auto classes, onto the device that suits it."""

import fcntl
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.utils import logging as transformers_logging

from blocksieve.errors import ModelError, first_line
from blocksieve.models.blocks import BlockList, find_blocks
from blocksieve.models.checkpoint import fetch
from blocksieve.models.molmo import adapt
from blocksieve.models.processor import load_processor
from blocksieve.specs import ModelSpec

logger = logging.getLogger("blocksieve")

# A model on one GPU leaves room for the work on it: its weights may fill this share of the free memory.
WEIGHTS_SHARE = 0.7
# Where a batch system says which GPUs it gave to a job; SLURM names them for the job or for its step.
ALLOTTED = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
# Open files whose locks say which GPUs this process has taken; closed with it.
_claims: list[IO[str]] = []


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, what turns prompts into its inputs (processor or tokenizer), and its blocks.

    `prompt` is a plain template in place of the processor's chat template.
    """

    model: Any
    processor: Any
    device: torch.device
    blocks: BlockList
    prompt: str | None = None

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, alone or inside the processor."""
        return getattr(self.processor, "tokenizer", self.processor)


def choose_device(wanted: str, weights_bytes: int = 0) -> str:
    """The device of `model.device`: cpu, one GPU such as cuda:1, or auto, which spreads a large model over several.

    Of several GPUs, one that no other job has taken, with the most free memory. ModelError where cuda is not there, and
    where a batch system gave the job a GPU that torch does not see: on the CPU it would hold the GPU for days.
    """
    given = allotted_gpus(os.environ)
    if given and wanted == "cpu":
        logger.warning(
            "this job was given a GPU (%s) but model.device is cpu; set it to auto to use it", given
        )
    elif given and not torch.cuda.is_available():
        raise ModelError(
            f"this job was given a GPU ({given}) but torch {torch.__version__} sees none; "
            "check nvidia-smi on the node and that torch is built for its driver, or set model.device to cpu"
        )
    if wanted == "cpu" or not torch.cuda.is_available():
        if wanted == "cuda":
            raise ModelError(
                "config: model.device: cuda is wanted but this machine shows no GPU; set it to cpu or auto"
            )
        return "cpu"
    gpus = range(torch.cuda.device_count())
    free = {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in gpus}
    wide_enough = fitting(free, weights_bytes)
    if not wide_enough:
        return "auto"
    names = {gpu: str(torch.cuda.get_device_properties(gpu).uuid) for gpu in wide_enough}
    return f"cuda:{claim(names, Path(tempfile.gettempdir()))}"


def allotted_gpus(environment: Mapping[str, str]) -> str:
    """The GPUs that an environment says this job was given, such as CUDA_VISIBLE_DEVICES=0; empty for none."""
    given = {name: environment.get(name, "") for name in ALLOTTED}
    return ", ".join(
        f"{name}={gpus}" for name, gpus in given.items() if gpus not in ("", "-1", "NoDevFiles")
    )


def fitting(free: dict[int, int], weights_bytes: int) -> list[int]:
    """The GPUs on which weights of a size fit with room for work, most free memory first. `free`: bytes a GPU."""
    return sorted(
        (gpu for gpu in free if weights_bytes <= WEIGHTS_SHARE * free[gpu]),
        key=lambda gpu: -free[gpu],
    )


def claim(names: dict[int, str], folder: Path) -> int:
    """The first GPU that no other process has claimed, claimed for this one's life; the first one if all are."""
    for gpu, name in names.items():
        file = _opened(folder / f"blocksieve-{name}.lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            _claims.append(file)
            return gpu
    return next(iter(names))


def _opened(path: Path) -> IO[str]:
    """A lock file, which may be another user's: it is only read, and made if it is not there."""
    if not path.exists():
        path.touch()
    return path.open()


def auto_options(config: ModelSpec) -> dict[str, Any]:
    """What the config says of a checkpoint beside its place, as keyword arguments of `from_pretrained`."""
    given = {"gguf_file": config.gguf_file} if config.gguf_file is not None else {}
    return given | {"trust_remote_code": config.trust_remote_code}


def auto_class(config: ModelSpec, own: Any) -> Any:
    """The auto class of the model's kind; where its own code (`own`: its config) offers but the other one, that."""
    kinds = [AutoModelForImageTextToText, AutoModelForCausalLM]
    usual = kinds[0] if config.kind == "vlm" else kinds[1]
    offered = getattr(own, "auto_map", None) or {}
    remote = [kind for kind in kinds if config.trust_remote_code and kind.__name__ in offered]
    return usual if usual in remote or type(own) in usual._model_mapping else (remote or [usual])[0]


@contextmanager
def readable(config: ModelSpec) -> Iterator[None]:
    """Whatever keeps transformers from reading the checkpoint becomes a ModelError of one line."""
    try:
        yield
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = first_line(error)
        if "trust_remote_code" in str(error):
            reason = (
                "it comes with code of its own; read that, then set model.trust_remote_code to true, or use a "
                "checkpoint that transformers knows"
            )
        raise ModelError(f"config: model.path: cannot load {config.path!r}: {reason}") from error


def read_config(config: ModelSpec, folder: str) -> Any:
    """The checkpoint's own config. Names the code that may run, where the config trusts any."""
    own = AutoConfig.from_pretrained(folder, **auto_options(config))
    if config.trust_remote_code:
        elsewhere = (
            str(name)
            for name in (getattr(own, "auto_map", None) or {}).values()
            if "--" in str(name)
        )
        code = sorted({*(file.name for file in Path(folder).rglob("*.py")), *elsewhere})
        logger.warning(
            "model.trust_remote_code: code that comes with %s may run: %s",
            config.path,
            ", ".join(code) or "none",
        )
        adapt(own, folder)
    return own


def empty_model(config: ModelSpec) -> Any:
    """The model of a checkpoint without its weights; ModelError if its config cannot be read."""
    folder, trusted = str(fetch(config)), config.trust_remote_code
    with readable(config):
        own = read_config(config, folder)
        with torch.device("meta"):
            kind = auto_class(config, own)
            return kind.from_config(
                own, dtype=getattr(torch, config.dtype), trust_remote_code=trusted
            )


def weights_bytes(config: ModelSpec) -> int:
    """Memory that the weights of a checkpoint take in the config's number format."""
    itemsize = getattr(torch, config.dtype).itemsize
    numbers: int = sum(weight.numel() for weight in empty_model(config).parameters())
    return numbers * int(itemsize)


def load_model(config: ModelSpec) -> LoadedModel:
    """Load `config` (the config's `model`) onto its device; prompts are padded left, an encoder's right."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    folder = fetch(config)
    options, dtype = auto_options(config), getattr(torch, config.dtype)
    device = choose_device(config.device, weights_bytes(config) if torch.cuda.is_available() else 0)
    placed = {"device_map": "auto"} if device == "auto" else {}
    with readable(config):
        own = read_config(config, str(folder))
        processor = load_processor(config.kind, str(folder), **options)
        model = auto_class(config, own).from_pretrained(
            str(folder), dtype=dtype, **placed, **options
        )
    model = model if device == "auto" else model.to(device)
    loaded = LoadedModel(
        model.eval(), processor, model.device, find_blocks(model, config.blocks), config.prompt
    )
    loaded.tokenizer.padding_side = "right" if model.config.is_encoder_decoder else "left"
    if loaded.tokenizer.pad_token_id is None:
        loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(loaded.blocks.kinds).items())
    logger.info(
        "loaded %s (%s) as %s on %s", config.path, type(model).__name__, config.dtype, device
    )
    logger.info("%d blocks in %s: %s", len(loaded.blocks.blocks), loaded.blocks.path, kinds)
    return loaded
