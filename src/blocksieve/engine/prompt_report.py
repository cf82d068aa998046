"""What a model really sees of a sample: its prompt after the template, and the tokens that come of it."""

import itertools
from typing import Any

from blocksieve.datasets.prompts import render_prompt
from blocksieve.engine.inputs import by_chat, process, render
from blocksieve.models.checkpoint import fetch
from blocksieve.models.loading import auto_options, readable
from blocksieve.models.processor import load_processor
from blocksieve.specs import ModelSpec


def describe_prompt(model: ModelSpec, row: dict[str, Any], prompt: str) -> str:
    """The prompt of one dataset row as text, its number of tokens and, where the processor tells, of image tokens.

    `model` is the config's `model`, `prompt` the dataset's template. Loads the processor, never the weights.
    """
    folder = str(fetch(model))
    with readable(model):
        processor = load_processor(model.kind, folder, **auto_options(model))
    inputs = process(processor, model.prompt, [row], prompt)
    tokens = inputs["input_ids"][0].tolist()
    text = render(
        processor,
        model.prompt,
        render_prompt(prompt, row["question"], row["choices"]),
        len(row["images"]),
    )
    lines = [
        f"sample: {row['sample_id']}",
        f"template: {'chat template of the processor' if by_chat(processor, model.prompt) else 'plain'}",
        f"images: {len(row['images'])}",
        f"tokens: {len(tokens)}{image_tokens(processor, inputs)}",
        *(f"{name}: {' x '.join(map(str, value.shape))}" for name, value in inputs.items()),
    ]
    tokenizer = getattr(processor, "tokenizer", processor)
    seen = "".join(
        repeated(tokenizer.decode([token]), len(list(run)))
        for token, run in itertools.groupby(tokens)
    )
    return "\n".join([*lines, "", "== the prompt", text, "", "== its tokens", seen, ""])


def image_tokens(processor: Any, inputs: dict[str, Any]) -> str:
    """How many of a row's tokens stand for images, as far as the processor names them."""
    if "mm_token_type_ids" in inputs:
        return f", {int((inputs['mm_token_type_ids'] == 1).sum())} of them for images"
    token = getattr(processor, "image_token_id", None)
    return (
        "" if token is None else f", {int((inputs['input_ids'] == token).sum())} of them for images"
    )


def repeated(text: str, times: int) -> str:
    """A token's text; with how often it comes, if more than twice in a row."""
    return f"{text}[x {times}]" if times > 2 else text * times
