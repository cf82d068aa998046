"""Train the kept blocks of an exported model on given answers, so that a kill costs minutes.

Nothing is random but the adapters' first values and the order of the prompts, both by the seed: a
step's prompts depend on its number alone, and the model stays in evaluation mode, without dropout.
"""

import logging
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypedDict

import torch
from torch import nn

from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.attempt import out_of_memory
from blocksieve.engine.inputs import make_inputs
from blocksieve.engine.prefixes import Inputs
from blocksieve.errors import ModelError
from blocksieve.files import is_whole, set_aside, whole_file
from blocksieve.models.loading import LoadedModel
from blocksieve.progress import Progress
from blocksieve.specs import HealSpec

logger = logging.getLogger("blocksieve")

BATCH_SIZE = 32
LEARNING_RATES = {"lora": 2e-3, "blocks": 1e-3}
WARM_UP = 0.1
"""The share of the steps in which the learning rate rises; then it falls to 0."""
LORA_RANK = 8
LORA_ALPHA = 16
MAX_GRADIENT_NORM = 1.0
SECONDS_BETWEEN_SAVES = 120.0
IGNORED = -100
"""The label of a token that is not learnt, by transformers' convention."""
PROMPT = "{question}"
# Logits of one prompt in two layouts; what a wrong mask or position changes is far larger.
TOLERANCE = 1e-2
LOSSES = 10
"""How many losses the log shows."""


@dataclass(frozen=True)
class Example:
    """A prompt as it is asked, with its pictures, and the tokens of the answer to learn."""

    row: SampleRow
    answer: list[int]


class State(TypedDict):
    """What a killed training needs to go on: all that the steps before have changed."""

    step: int
    parameters: dict[str, torch.Tensor]
    optimizer: dict[str, object]
    losses: list[float]


@dataclass
class Finetuned:
    """How training went: the loss of each step, and how many weights were trained."""

    losses: list[float] = field(default_factory=list)
    num_trained: int = 0

    def mean_loss(self, part: slice) -> float:
        """Return the mean loss of some steps."""
        losses = self.losses[part]
        return sum(losses) / len(losses)


def finetune(
    loaded: LoadedModel, examples: Sequence[Example], spec: HealSpec, seed: int, state_file: Path
) -> Finetuned:
    """Train the blocks of a float32 model in place; go on from `state_file` if it is there.

    ModelError if a training pass would not see prompts as the model does when it answers.
    """
    check_layout(loaded, examples[:2])
    torch.manual_seed(seed)
    with _trainable(loaded, spec.method) as parameters:
        result = Finetuned(num_trained=sum(weight.numel() for weight in parameters.values()))
        logger.info("training %d weights on %d prompts", result.num_trained, len(examples))
        optimizer = torch.optim.AdamW(parameters.values(), lr=0.0, weight_decay=0.0)
        first_step = _restore(state_file, parameters, optimizer, result)
        progress = Progress(spec.steps - first_step, "training steps")
        last_save = time.monotonic()
        rows_at_once = BATCH_SIZE
        for step in range(first_step, spec.steps):
            batch = [examples[place] for place in places_of_step(len(examples), step, seed)]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(spec, step)
            loss, rows_at_once = _accumulate(loaded, batch, rows_at_once, optimizer)
            nn.utils.clip_grad_norm_(parameters.values(), MAX_GRADIENT_NORM)
            optimizer.step()
            result.losses.append(loss)
            if (step + 1) % max(1, spec.steps // LOSSES) == 0:
                logger.info("step %d of %d: loss %.4f", step + 1, spec.steps, loss)
            is_due = time.monotonic() - last_save >= SECONDS_BETWEEN_SAVES
            if is_due or step + 1 == spec.steps:
                _save(state_file, step + 1, parameters, optimizer, result)
                last_save = time.monotonic()
            progress.add(1)
    return result


def largest_rate(spec: HealSpec) -> float:
    """Return the largest learning rate, which depends on the method if the config leaves it."""
    return LEARNING_RATES[spec.method] if spec.learning_rate == "auto" else spec.learning_rate


def learning_rate(spec: HealSpec, step: int) -> float:
    """Return a step's learning rate: up to the largest in WARM_UP of the steps, then a cosine."""
    largest = largest_rate(spec)
    warm_up = max(1, round(WARM_UP * spec.steps))
    if step < warm_up:
        return largest * (step + 1) / warm_up
    share = (step - warm_up) / max(1, spec.steps - warm_up)
    return largest * (1 + math.cos(math.pi * share)) / 2


def places_of_step(num_examples: int, step: int, seed: int) -> list[int]:
    """Return which examples a step learns: all in turn, in a new order for each round."""
    places = []
    for position in range(step * BATCH_SIZE, (step + 1) * BATCH_SIZE):
        round_number, place = divmod(position, num_examples)
        places.append(_order(num_examples, round_number, seed)[place])
    return places


@cache
def _order(num_examples: int, round_number: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + round_number)
    order: list[int] = torch.randperm(num_examples, generator=generator).tolist()
    return order


@contextmanager
def _trainable(loaded: LoadedModel, method: str) -> Iterator[dict[str, nn.Parameter]]:
    """Yield the weights to train by name, all others frozen; adapters are merged at the end."""
    model = loaded.model
    model.requires_grad_(False)
    if method == "blocks":
        loaded.blocks.blocks.requires_grad_(True)
        yield dict(loaded.blocks.blocks.named_parameters())
        return
    from peft import LoraConfig, get_peft_model

    prefix = f"{loaded.blocks.path}."
    linear = [
        name
        for name, module in model.named_modules()
        if name.startswith(prefix) and isinstance(module, nn.Linear)
    ]
    if not linear:
        raise ModelError(
            "config: deploy.heal.method: lora needs linear layers, of which the blocks of this "
            "model have none; set it to blocks"
        )
    # The blocks only: names end alike in other parts of a model.
    config = LoraConfig(r=LORA_RANK, lora_alpha=LORA_ALPHA, target_modules=linear)
    with warnings.catch_warnings():
        # peft asks for a property that transformers 5.24 calls deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, config)
    yield {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    adapted.merge_and_unload()


def _accumulate(
    loaded: LoadedModel,
    batch: Sequence[Example],
    rows_at_once: int,
    optimizer: torch.optim.Optimizer,
) -> tuple[float, int]:
    """Add up the gradients of a batch; half as many rows at once if memory ends, from then on."""
    while True:
        optimizer.zero_grad(set_to_none=True)
        try:
            return _backward(loaded, batch, rows_at_once), rows_at_once
        except Exception as error:
            if not out_of_memory(error) or rows_at_once == 1:
                raise
        # Outside of the handler, since the exception holds what the pass had in memory.
        torch.cuda.empty_cache()
        rows_at_once = (rows_at_once + 1) // 2
        logger.warning("out of memory; going on with %d prompts at once", rows_at_once)


def _backward(loaded: LoadedModel, batch: Sequence[Example], rows_at_once: int) -> float:
    """Return the mean loss over the answers' tokens, its gradients added to the weights."""
    # Pictures or none: a processor does not take both in one batch.
    with_pictures = [example for example in batch if example.row["images"]]
    without_pictures = [example for example in batch if not example.row["images"]]
    num_tokens = sum(len(example.answer) for example in batch)
    total = 0.0
    for part in (with_pictures, without_pictures):
        for start in range(0, len(part), rows_at_once):
            rows = part[start : start + rows_at_once]
            share = sum(len(example.answer) for example in rows) / num_tokens
            loss = loaded.model(**training_inputs(loaded, rows), use_cache=False).loss * share
            loss.backward()
            total += loss.item()
    return total


def training_inputs(loaded: LoadedModel, examples: Sequence[Example]) -> Inputs:
    """Return prompts with their answers behind them, padded on the right, and labels.

    A decoder's prompts are moved to the left: so every token has the place that it has alone.
    """
    inputs = make_inputs(loaded, [example.row for example in examples], PROMPT)
    answers = [torch.tensor(example.answer, device=loaded.device) for example in examples]
    if loaded.model.config.is_encoder_decoder:
        labels = nn.utils.rnn.pad_sequence(answers, batch_first=True, padding_value=IGNORED)
        return {**inputs, "labels": labels}
    ids = inputs["input_ids"]  # (rows, width)
    is_token = inputs["attention_mask"].bool()  # (rows, width)
    lengths = is_token.sum(1).tolist()
    answer_lengths = [len(answer) for answer in answers]
    longest = max(map(sum, zip(lengths, answer_lengths, strict=True)))
    moved: dict[str, torch.Tensor] = {}
    for name, value in inputs.items():
        if value.shape[:2] != ids.shape:
            moved[name] = value  # pixels
            continue
        # What else tells tokens apart is 0 for text.
        moved[name] = value.new_zeros(len(ids), longest, *value.shape[2:])
        for row, length in enumerate(lengths):
            moved[name][row, :length] = value[row, is_token[row]]
    labels = ids.new_full((len(ids), longest), IGNORED)
    for row, answer in enumerate(answers):
        place = slice(lengths[row], lengths[row] + len(answer))
        moved["input_ids"][row, place] = answer
        moved["attention_mask"][row, place] = 1
        labels[row, place] = answer
    return {**moved, "labels": labels}


def check_layout(loaded: LoadedModel, examples: Sequence[Example]) -> None:
    """Raise a ModelError unless prompts give the same logits in a training batch as alone.

    They would not if an answer could be seen from its prompt, or places were counted otherwise.
    """
    if loaded.model.config.is_encoder_decoder:
        return
    inputs = training_inputs(loaded, examples)
    is_prompt = inputs["attention_mask"].bool() & (inputs.pop("labels") == IGNORED)
    last_places = is_prompt.sum(1) - 1  # (rows,)
    logits = _logits(loaded, inputs)
    for row, example in enumerate(examples):
        alone = _logits(loaded, make_inputs(loaded, [example.row], PROMPT))
        difference = (logits[row, last_places[row]] - alone[0, -1]).abs().max()
        if difference > TOLERANCE:
            raise ModelError(
                "this model cannot be healed: with the answer behind it, a prompt gives other "
                f"logits than alone (by up to {difference:.3g})"
            )


def _logits(loaded: LoadedModel, inputs: Inputs) -> torch.Tensor:
    """Return the logits of all places: (rows, width, vocabulary)."""
    with torch.no_grad():
        output = loaded.model(**inputs, use_cache=False)
    logits: torch.Tensor = output.logits
    return logits


def _save(
    state_file: Path,
    step: int,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    result: Finetuned,
) -> None:
    state: State = {
        "step": step,
        "parameters": {name: weight.detach() for name, weight in parameters.items()},
        "optimizer": optimizer.state_dict(),
        "losses": result.losses,
    }
    with whole_file(state_file) as temporary:
        torch.save(state, temporary)


def _restore(
    state_file: Path,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    result: Finetuned,
) -> int:
    """Put back what a killed training had reached; return the step to go on with."""
    if not state_file.exists():
        return 0
    if not is_whole(state_file):
        set_aside(state_file)
        logger.warning("%s is corrupt; training starts anew", state_file)
        return 0
    state: State = torch.load(state_file, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, weight in parameters.items():
            weight.copy_(state["parameters"][name])
    optimizer.load_state_dict(state["optimizer"])
    result.losses = state["losses"]
    logger.info("going on after step %d", state["step"])
    return state["step"]
