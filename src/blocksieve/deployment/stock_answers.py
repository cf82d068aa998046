"""Answer prompts with a checkpoint as any user of transformers would: `python -I FILE FOLDER`.

Runs in a process of its own and imports nothing of the package, so that an exported checkpoint is
judged by transformers alone. FOLDER holds `questions.json` (see `main`) and gets `answers.json`.
"""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar, TypedDict

import torch
import transformers
from PIL import Image
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    processing_utils,
)
from transformers.models.auto import video_processing_auto
from transformers.utils import is_torchvision_available
from transformers.video_processing_utils import VideoProcessorMixin


class Question(TypedDict):
    """A prompt as the model continues it, and the files of its pictures."""

    id: str
    text: str
    pictures: list[str]


class Group(TypedDict):
    """A dataset's questions; `add_special_tokens` where the prompts do not hold them yet."""

    add_special_tokens: bool
    max_new_tokens: int
    questions: list[Question]


class Job(TypedDict):
    """Content of questions.json; `usual_settings` of `generate` are put back to their defaults."""

    checkpoint: str
    auto_class: str
    auto_processor: str
    trust_remote_code: bool
    dtype: str
    device: str
    usual_settings: list[str]
    batch_size: int
    groups: list[Group]


class FirstStep(LogitsProcessor):  # type: ignore[misc]
    """Remembers in which column the answers begin; changes nothing."""

    start: int | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Take one step: `input_ids` (rows, tokens before it), `scores` (rows, vocabulary)."""
        if self.start is None:
            self.start = input_ids.shape[1]
        return scores


def main(folder: Path) -> None:
    """Read what to ask, load the checkpoint with its Auto class, and write the answers' tokens."""
    job: Job = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    options: dict[str, bool] = {"trust_remote_code": job["trust_remote_code"]}
    model, loading_info = getattr(transformers, job["auto_class"]).from_pretrained(
        job["checkpoint"],
        dtype=getattr(torch, job["dtype"]),
        output_loading_info=True,
        **options,
    )
    do_without_torchvision()
    auto_processor = getattr(transformers, job["auto_processor"])
    processor = auto_processor.from_pretrained(job["checkpoint"], **options)
    model = model.to(job["device"]).eval()
    search_greedily(model, job["usual_settings"])
    set_padding(model, processor)
    answers: dict[str, list[int]] = {}
    for group in job["groups"]:
        # Prompts of like lengths together, so that there is little padding.
        questions = sorted(group["questions"], key=lambda question: len(question["text"]))
        for start in range(0, len(questions), job["batch_size"]):
            batch = questions[start : start + job["batch_size"]]
            tokens = answer(model, processor, group, batch, folder)
            for question, row_tokens in zip(batch, tokens, strict=True):
                answers[question["id"]] = row_tokens
    document = {
        "loading_info": {kind: sorted(map(str, names)) for kind, names in loading_info.items()},
        "foreign_modules": [name for name in sys.modules if name.startswith("blocksieve")],
        "answers": answers,
    }
    (folder / "answers.json").write_text(json.dumps(document), encoding="utf-8")


def search_greedily(model: PreTrainedModel, names: list[str]) -> None:
    """Put back settings of `generate` that change how it searches, or what it returns."""
    usual = GenerationConfig()
    for module in model.modules():
        settings = getattr(module, "generation_config", None)
        if isinstance(settings, GenerationConfig):
            for name in names:
                setattr(settings, name, getattr(usual, name, None))


def set_padding(
    model: PreTrainedModel, processor: ProcessorMixin | PreTrainedTokenizerBase
) -> None:
    """Pad before a decoder's prompt, with any token if the checkpoint names none: it is hidden."""
    tokenizer = getattr(processor, "tokenizer", processor)
    tokenizer.padding_side = "right" if model.config.is_encoder_decoder else "left"
    vocabulary = range(model.get_input_embeddings().weight.shape[0])
    if tokenizer.pad_token_id not in vocabulary:
        has_end = tokenizer.eos_token_id in vocabulary
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(
            tokenizer.eos_token_id if has_end else 0
        )
    settings = model.generation_config
    if settings.pad_token_id is not None and settings.pad_token_id not in vocabulary:
        settings.pad_token_id = tokenizer.pad_token_id


def do_without_torchvision() -> None:
    """Let processors load without torchvision, which only their part for videos needs.

    As `blocksieve.models.processor` does, which must not be imported here.
    """
    if is_torchvision_available():
        return

    class NoVideos(VideoProcessorMixin):  # type: ignore[misc]
        """Takes the place of the part for videos."""

        model_input_names: ClassVar[list[str]] = []
        num_frames = fps = None

        @classmethod
        def from_pretrained(cls, *_: object, **__: object) -> "NoVideos":
            """Return an empty part, whatever the checkpoint says of videos."""
            return cls()

    video_processing_auto.AutoVideoProcessor = NoVideos
    processing_utils.transformers_module.VideoProcessorMixin = VideoProcessorMixin


def answer(
    model: PreTrainedModel,
    processor: ProcessorMixin | PreTrainedTokenizerBase,
    group: Group,
    batch: list[Question],
    folder: Path,
) -> list[list[int]]:
    """Return the tokens of each question's answer, up to and with the end token."""
    texts = [question["text"] for question in batch]
    pictures = []
    for question in batch:
        files = [folder / name for name in question["pictures"]]
        pictures.append([Image.open(file) for file in files])
    options: dict[str, object] = {"images": pictures} if any(pictures) else {}
    if not group["add_special_tokens"]:
        options["add_special_tokens"] = False
    inputs = processor(text=texts, padding=len(batch) > 1, return_tensors="pt", **options)
    inputs = inputs.to(model.device)
    # In the model's number format, which what a tokenizer alone returns cannot be moved to.
    pixels = {
        name: value.to(model.dtype)
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    first_step = FirstStep()
    output = model.generate(
        **{**inputs, **pixels},
        max_new_tokens=group["max_new_tokens"],
        do_sample=False,
        num_beams=1,
        logits_processor=[first_step],
    )
    ends = model.generation_config.eos_token_id
    if ends is None or isinstance(ends, int):
        ends = [ends]
    rows = output[:, first_step.start :].tolist()  # (rows, answer)
    return [until_end(row, ends) for row in rows]


def until_end(tokens: list[int], ends: Collection[int | None]) -> list[int]:
    """Return the tokens up to and with the first that ends an answer."""
    for place, token in enumerate(tokens):
        if token in ends:
            return tokens[: place + 1]
    return tokens


if __name__ == "__main__":
    main(Path(sys.argv[1]))
