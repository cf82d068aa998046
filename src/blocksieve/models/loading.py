"""Load a checkpoint and its processor through transformers' auto classes, onto a fitting device."""

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from filelock import FileLock, Timeout
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from blocksieve.errors import CUDA_WITHOUT_GPU, BlocksieveError, ModelError, first_line
from blocksieve.models.blocks import BlockList, find_blocks
from blocksieve.models.chat import template_source
from blocksieve.models.checkpoint import fetch
from blocksieve.models.molmo import adapt
from blocksieve.models.number_format import with_own_format
from blocksieve.models.processor import Processor, load_processor
from blocksieve.specs import ModelSpec

logger = logging.getLogger("blocksieve")

# The share of a GPU's free memory that weights may fill; the rest is room for the work on it.
WEIGHTS_SHARE = 0.7
# Where a batch system says which GPUs it gave to a job; SLURM names the job's or the step's.
ALLOTTED = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
# Values of these that mean no GPU.
NO_GPU = ("", "-1", "NoDevFiles")
# Settings of generation_config.json that change what `generate` returns besides the tokens.
OUTPUTS = (
    "return_dict_in_generate",
    "output_scores",
    "output_logits",
    "output_attentions",
    "output_hidden_states",
)
# Those that change how it searches for an answer.
SEARCHES = (
    "num_return_sequences",
    "num_beams",
    "num_beam_groups",
    "diversity_penalty",
    "constraints",
    "force_words_ids",
    "penalty_alpha",
    "dola_layers",
    "prompt_lookup_num_tokens",
    "assistant_early_exit",
    "use_mtp",
    "token_healing",
    "max_time",
)
AutoClass: TypeAlias = type[AutoModelForImageTextToText] | type[AutoModelForCausalLM]
AUTO_CLASSES: dict[str, AutoClass] = {
    "vlm": AutoModelForImageTextToText,
    "text": AutoModelForCausalLM,
}
# Locks of the GPUs that this process has claimed. A lock that nobody holds is released at once.
_claims: list[FileLock] = []


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, the processor of its prompts, its device and its blocks.

    `prompt` is a plain template in place of the processor's chat template.
    """

    model: PreTrainedModel
    processor: Processor
    device: torch.device
    blocks: BlockList
    prompt: str | None = None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, alone or inside the processor."""
        return getattr(self.processor, "tokenizer", self.processor)


def choose_device(wanted: str, weights_bytes: int = 0) -> str:
    """Return the device that `model.device` means: cpu, one GPU such as cuda:1, or auto.

    Of several GPUs it is the one with the most free memory that no other job has claimed. `auto`
    spreads a model over several GPUs if the weights fit on none of them. ModelError if cuda is
    wanted and not there, and if a batch system gave the job a GPU that torch does not see: on the
    CPU the job would hold that GPU for days.
    """
    allotted = allotted_gpus(os.environ)
    has_gpu = torch.cuda.is_available()
    if allotted and wanted == "cpu":
        logger.warning(
            "this job was given a GPU (%s) but model.device is cpu; set it to auto to use it",
            allotted,
        )
    elif allotted and not has_gpu:
        raise ModelError(
            f"this job was given a GPU ({allotted}) but torch {torch.__version__} sees none; "
            "check nvidia-smi on the node and that torch is built for its driver, "
            "or set model.device to cpu"
        )
    elif wanted == "cuda" and not has_gpu:
        raise ModelError(CUDA_WITHOUT_GPU)
    if wanted == "cpu" or not has_gpu:
        return "cpu"
    free_bytes = {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())}
    gpus = gpus_with_room(free_bytes, weights_bytes)
    if not gpus:
        return "auto"
    # Two processes may number the same GPUs differently; the hardware's name is the same in both.
    names = {gpu: str(torch.cuda.get_device_properties(gpu).uuid) for gpu in gpus}
    return f"cuda:{claim(names, Path(tempfile.gettempdir()))}"


def allotted_gpus(environment: Mapping[str, str]) -> str:
    """Return what an environment says of this job's GPUs, such as CUDA_VISIBLE_DEVICES=0.

    Empty for none.
    """
    statements = []
    for name in ALLOTTED:
        gpus = environment.get(name, "")
        if gpus not in NO_GPU:
            statements.append(f"{name}={gpus}")
    return ", ".join(statements)


def gpus_with_room(free_bytes: dict[int, int], weights_bytes: int) -> list[int]:
    """Return the GPUs on which the weights fit with room for work, most free memory first."""
    by_room = sorted(free_bytes, key=free_bytes.__getitem__, reverse=True)
    return [gpu for gpu in by_room if weights_bytes <= WEIGHTS_SHARE * free_bytes[gpu]]


def claim(names: dict[int, str], folder: Path) -> int:
    """Return the first GPU that no other process has claimed, claimed until this process ends.

    The first GPU if none is free. `names`: each GPU's name, the same in all processes. `folder`
    holds the lock files; all processes of a machine must share it.
    """
    for gpu, name in names.items():
        # The file may be another user's next time, and a lock needs to write to it: hence the mode.
        # The claim is the process's, not the thread's.
        path = folder / f"blocksieve-{name}.lock"
        lock = FileLock(path, mode=0o666, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        except OSError as error:
            logger.warning("cannot lock %s, so GPU %d may be another job's: %s", path, gpu, error)
            continue
        _claims.append(lock)
        return gpu
    return next(iter(names))


def auto_options(spec: ModelSpec) -> dict[str, str | bool]:
    """Return the keyword arguments of `from_pretrained` that the config names."""
    options: dict[str, str | bool] = {"trust_remote_code": spec.trust_remote_code}
    if spec.gguf_file is not None:
        options["gguf_file"] = spec.gguf_file
    return options


def auto_class(spec: ModelSpec, config: PretrainedConfig) -> AutoClass:
    """Return the auto class of the model's kind.

    If transformers does not know the model, and the code that comes with the checkpoint registers
    only the other auto class, return that one.
    """
    usual = AUTO_CLASSES[spec.kind]
    if not spec.trust_remote_code or type(config) in usual._model_mapping:
        return usual
    registered = getattr(config, "auto_map", None) or {}
    if usual.__name__ in registered:
        return usual
    for auto in AUTO_CLASSES.values():
        if auto.__name__ in registered:
            return auto
    return usual


@contextmanager
def readable(spec: ModelSpec) -> Iterator[None]:
    """Turn what keeps transformers from reading the checkpoint into a ModelError of one line."""
    try:
        yield
    except (BlocksieveError, torch.OutOfMemoryError, MemoryError, torch.AcceleratorError):
        raise
    except Exception as error:  # a config of impossible values raises whatever comes
        reason = first_line(error)
        if reason.endswith(":"):  # what is wrong comes on the next line
            reason = " ".join(str(error).split())
        if "trust_remote_code" in str(error):
            reason = (
                "it comes with code of its own; read that, then set model.trust_remote_code to "
                "true, or use a checkpoint that transformers knows"
            )
        raise ModelError(f"config: model.path: cannot load {spec.path!r}: {reason}") from error


def read_config(spec: ModelSpec, folder: str) -> PretrainedConfig:
    """Read the checkpoint's config; log which code may run, if the run's config trusts any."""
    config = AutoConfig.from_pretrained(folder, **auto_options(spec))
    if spec.trust_remote_code:
        code = {file.name for file in Path(folder).rglob("*.py")}
        for name in (getattr(config, "auto_map", None) or {}).values():
            if "--" in str(name):  # REPOSITORY--MODULE.CLASS: the code of another repository
                code.add(str(name))
        logger.warning(
            "model.trust_remote_code: code that comes with %s may run: %s",
            spec.path,
            ", ".join(sorted(code)) or "none",
        )
        adapt(config, folder)
    return config


def empty_model(spec: ModelSpec) -> PreTrainedModel:
    """Return the model of a checkpoint without weights; ModelError if its config is unreadable."""
    spec = with_own_format(spec)
    folder = str(fetch(spec))
    with readable(spec):
        return build_empty(spec, read_config(spec, folder))


def build_empty(spec: ModelSpec, config: PretrainedConfig) -> PreTrainedModel:
    """Return the model of a config without weights: its tensors take no memory."""
    with torch.device("meta"):
        return auto_class(spec, config).from_config(
            config,
            dtype=getattr(torch, spec.dtype),
            trust_remote_code=spec.trust_remote_code,
        )


def weights_bytes(spec: ModelSpec) -> int:
    """Return the memory that a checkpoint's weights take in the config's number format."""
    spec = with_own_format(spec)
    itemsize: int = getattr(torch, spec.dtype).itemsize
    model = empty_model(spec)
    num_weights: int = sum(weight.numel() for weight in model.parameters())
    return num_weights * itemsize


def load_model(spec: ModelSpec) -> LoadedModel:
    """Load a model and its processor, and put the model onto its device."""
    spec = with_own_format(spec)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    folder = str(fetch(spec))
    num_bytes = weights_bytes(spec) if torch.cuda.is_available() else 0
    device = choose_device(spec.device, num_bytes)
    options = auto_options(spec)
    with readable(spec):
        config = read_config(spec, folder)
        processor = load_processor(spec.kind, folder, **options)
        if (Path(folder) / "generation_config.json").is_file():
            # Loading the model passes over an unreadable one, and its end tokens, in silence.
            GenerationConfig.from_pretrained(folder)
        if device == "auto":
            options["device_map"] = "auto"
        model = load_weights(spec, config, folder, **options)
    if device != "auto":
        model = model.to(device)
    avoid_plans_per_shape()
    block_list = find_blocks(model, spec.blocks)
    loaded = LoadedModel(model.eval(), processor, model.device, block_list, spec.prompt)
    _set_padding(loaded)
    decode_greedily(spec, loaded.model)
    _log_loaded(spec, loaded, device)
    return loaded


def avoid_plans_per_shape() -> None:
    """Keep cuDNN's attention from being used, which builds a plan for every new shape.

    Each step of an answer has a new one, and each batch.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def load_weights(
    spec: ModelSpec, config: PretrainedConfig, folder: str, **options: str | bool
) -> PreTrainedModel:
    """Load a checkpoint's weights; ModelError if they are not just those of the model."""
    model, loading_info = auto_class(spec, config).from_pretrained(
        folder,
        dtype=getattr(torch, spec.dtype),
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # all of them are named, not the first alone
        **options,
    )
    refuse_wrong_weights(spec, loading_info)
    return model


def refuse_wrong_weights(spec: ModelSpec, loading_info: Mapping[str, Collection[object]]) -> None:
    """Raise a ModelError if the checkpoint's weights are not just those of the model.

    `loading_info` is transformers' own, which leaves tied weights out. A weight that the
    checkpoint lacks, or has in another shape, would be random.
    """
    faults = weight_faults(loading_info)
    if faults:
        raise ModelError(
            f"config: model.path: the weights of {spec.path!r} do not fit its config.json: "
            f"{'; '.join(faults)}; name a complete checkpoint of this architecture"
        )


def weight_faults(loading_info: Mapping[str, Collection[object]]) -> list[str]:
    """Say which weights are missing, unexpected or mismatched; empty if none is."""
    faults = []
    for kind in ("missing", "unexpected", "mismatched"):
        entries = loading_info.get(f"{kind}_keys") or ()
        # A mismatched weight comes with its two shapes.
        names = sorted(entry[0] if isinstance(entry, tuple) else str(entry) for entry in entries)
        if names:
            others = f" and {len(names) - 3} more" if len(names) > 3 else ""
            faults.append(f"{len(names)} {kind} ({', '.join(names[:3])}{others})")
    return faults


def _set_padding(loaded: LoadedModel) -> None:
    # A decoder goes on behind its prompt, so that all prompts of a batch must end at one place.
    # An encoder's input has no such end, and its positions count from the left.
    tokenizer = loaded.tokenizer
    is_encoder_decoder = loaded.model.config.is_encoder_decoder
    tokenizer.padding_side = "right" if is_encoder_decoder else "left"
    embeddings = loaded.model.get_input_embeddings()
    if not isinstance(embeddings, nn.Embedding):
        return
    # The model could not read a padding token beyond its vocabulary. Any other will do, since it
    # is hidden.
    vocabulary = range(embeddings.num_embeddings)
    if tokenizer.pad_token_id not in vocabulary:
        wrong = tokenizer.pad_token_id
        fitting = tokenizer.eos_token_id if tokenizer.eos_token_id in vocabulary else 0
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(fitting)
        logger.warning("padding with token %d: %s is beyond the vocabulary", fitting, wrong)
    for settings in generation_settings(loaded.model):
        if settings.pad_token_id is not None and settings.pad_token_id not in vocabulary:
            settings.pad_token_id = tokenizer.pad_token_id


def generation_settings(model: PreTrainedModel) -> list[GenerationConfig]:
    """Return the settings of `generate` of a model, and of parts that it may hand over to."""
    settings = []
    for module in model.modules():
        if isinstance(getattr(module, "generation_config", None), GenerationConfig):
            settings.append(module.generation_config)
    return settings


def decode_greedily(spec: ModelSpec, model: PreTrainedModel) -> None:
    """Put back settings that change what `generate` returns, or how it searches for an answer.

    All answers are decoded greedily, which the log says. ModelError for texts that end an answer.
    """
    usual = GenerationConfig()
    put_back = {}
    for settings in generation_settings(model):
        stop_strings = getattr(settings, "stop_strings", None)
        if stop_strings:
            raise ModelError(
                f"generation_config.json of {spec.path!r}: answers cannot be ended by "
                f"stop_strings ({stop_strings!r}); take them out, "
                "and name tokens in eos_token_id instead"
            )
        for name in OUTPUTS:
            setattr(settings, name, getattr(usual, name, None))
        for name in SEARCHES:
            put_back[name] = getattr(settings, name, None)
            setattr(settings, name, getattr(usual, name, None))
    for name, value in put_back.items():
        # One beam, or one answer, is greedy already.
        if value and (value is True or value != 1):
            logger.warning(
                "generation_config.json: %s=%r is not used; answers are decoded greedily",
                name,
                value,
            )


def _log_loaded(spec: ModelSpec, loaded: LoadedModel, device: str) -> None:
    model_class = type(loaded.model).__name__
    logger.info("loaded %s (%s) as %s on %s", spec.path, model_class, spec.dtype, device)
    block_list = loaded.blocks
    num_blocks = len(block_list.blocks)
    counts = Counter(block_list.kinds)
    kinds = [f"{count} {kind}" for kind, count in counts.items()]
    logger.info("prompts by %s", template_source(loaded.processor, spec.prompt))
    logger.info("%d blocks in %s: %s", num_blocks, block_list.path, ", ".join(kinds))
