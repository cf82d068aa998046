"""What a model really sees of a sample: its prompt after the template, and the prompt's tokens."""

import itertools
from collections.abc import Mapping

import torch

from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.inputs import process, write_prompt
from blocksieve.errors import BlocksieveError, DataError, name_and_first_line
from blocksieve.models.chat import template_source, uses_chat_template
from blocksieve.models.checkpoint import fetch
from blocksieve.models.loading import auto_options, readable
from blocksieve.models.processor import Processor, load_processor
from blocksieve.specs import ModelSpec


def describe_prompt(model: ModelSpec, row: SampleRow, prompt: str, dataset: str) -> str:
    """Return the prompt of one row of a dataset as text, with its number of tokens.

    And the number of image tokens where the processor tells. `model` is the config's `model`,
    `prompt` the dataset's template. Loads the processor, never the weights. DataError if the
    processor refuses the sample.
    """
    folder = str(fetch(model))
    with readable(model):
        processor = load_processor(model.kind, folder, **auto_options(model))
    num_images = len(row["images"])
    try:
        inputs = process(processor, model.prompt, [row], prompt)
    except BlocksieveError:
        raise
    except Exception as error:  # of the checkpoint's own processor
        raise DataError(
            f"{dataset}: sample {row['sample_id']} cannot be turned into the model's inputs:"
            f" {name_and_first_line(error)}; if its question holds the model's mark of a picture,"
            " such as <image>, take that out of the source"
        ) from error
    tokens = inputs["input_ids"][0].tolist()  # from (1, width)
    text = write_prompt(processor, model.prompt, row, prompt)
    lines = [
        f"sample: {row['sample_id']}",
        f"template: {_template_name(processor, model.prompt)}",
        f"images: {num_images}",
        f"tokens: {len(tokens)}{image_tokens(processor, inputs)}",
    ]
    for name, value in inputs.items():
        shape = " x ".join(map(str, value.shape))
        lines.append(f"{name}: {shape}")
    tokenizer = getattr(processor, "tokenizer", processor)
    runs = []
    for token, run in itertools.groupby(tokens):
        token_text = tokenizer.decode([token])
        runs.append(repeated(token_text, len(list(run))))
    lines += ["", "== the prompt", text]
    lines += ["", "== its tokens", "".join(runs), ""]
    return "\n".join(lines)


def _template_name(processor: Processor, template: str | None) -> str:
    if not uses_chat_template(processor, template):
        return "plain"
    if template_source(processor, template) == "tokenizer_config.json":
        return "chat template in tokenizer_config.json"
    return "chat template of the processor"


def image_tokens(processor: Processor, inputs: Mapping[str, torch.Tensor]) -> str:
    """Return how many of a row's tokens stand for images, as far as the processor names them."""
    token = getattr(processor, "image_token_id", None)
    if "mm_token_type_ids" in inputs:
        is_image = inputs["mm_token_type_ids"] == 1  # (1, width)
    elif token is not None:
        is_image = inputs["input_ids"] == token  # (1, width)
    else:
        return ""
    return f", {int(is_image.sum())} of them for images"


def repeated(text: str, times: int) -> str:
    """Return a token's text; with how often it comes, if more than twice in a row."""
    if times > 2:
        return f"{text}[x {times}]"
    return text * times
