"""A random-weight LLaVA of real size: the plain loop against the shared engine.

16 blocks of width 2048, a ViT-L/14-336 tower, 576 image tokens, batches of 16; the 16 one-block
candidates, short and long answers, one question per image and five. The plain loop is generate
without the blocks.

The blocks write little into their stream and tokens are sure, so that candidates answer alike, as
most of a trained model's do. Drafts are the full model's answers, wrong at a random place in 30 %
of the rows; `right` is the share of rows for which they were right; the other columns are those of
`timing.Measured`. With a GPU it runs there; --small is for a CPU. All of it runs where only torch
and transformers are installed.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from timing import (
    PLAIN_LOOP,
    Drafts,
    compare,
    one_block_candidates,
    report,
    share_right,
    tokens_in_way,
)
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from blocksieve.combination import NONE
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.prefixes import Inputs, find_prefix
from blocksieve.engine.ways import PREFILL, REFERENCE, Way
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel, avoid_plans_per_shape

VOCABULARY = 32000
BEGIN, IMAGE, FIRST_WORD = 1, 5, 10  # token ids
# What a block adds to its stream is this much smaller than random weights make it.
QUIET = 0.001


@dataclass(frozen=True)
class Size:
    """Sizes of the decoder, and of the vision tower."""

    width: int
    inner: int
    heads: int
    tower_width: int
    tower_inner: int
    tower_depth: int
    tower_heads: int
    pixels: int
    patch: int = 14
    blocks: int = 16


SIZES = {
    "real": Size(
        width=2048,
        inner=5632,
        heads=16,
        tower_width=1024,
        tower_inner=4096,
        tower_depth=24,
        tower_heads=16,
        pixels=336,
    ),
    "small": Size(
        width=256,
        inner=688,
        heads=4,
        tower_width=256,
        tower_inner=688,
        tower_depth=6,
        tower_heads=4,
        pixels=196,
    ),
}


class NumberTokenizer:
    """A tokenizer whose text is the tokens' numbers."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        """Join the numbers."""
        return " ".join(map(str, tokens))


def build_model(size: Size, device: str, dtype: torch.dtype) -> LoadedModel:
    """Build the model on its device."""
    avoid_plans_per_shape()
    vision = CLIPVisionConfig(
        hidden_size=size.tower_width,
        intermediate_size=size.tower_inner,
        num_hidden_layers=size.tower_depth,
        num_attention_heads=size.tower_heads,
        image_size=size.pixels,
        patch_size=size.patch,
    )
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.blocks,
        num_attention_heads=size.heads,
        pad_token_id=0,
    )
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE)
    torch.manual_seed(0)
    with torch.device(device):
        model = LlavaForConditionalGeneration(config).to(dtype).eval()
    block_list = find_blocks(model)
    with torch.no_grad():
        # The token after another is the one whose number is one higher, and is sure of it: random
        # weights would hardly prefer one token to another, so that 16 bits decided what follows.
        embedding = model.get_input_embeddings().weight  # (vocabulary, width)
        model.get_output_embeddings().weight.copy_(embedding.roll(1, 0))
        for block in block_list.blocks:
            block.self_attn.o_proj.weight *= QUIET
            block.mlp.down_proj.weight *= QUIET
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return LoadedModel(model, NumberTokenizer(), model.device, block_list)


def make_batch(loaded: LoadedModel, num_rows: int, questions: int) -> Batch:
    """Return prompts of 24 tokens and less after the image, so many about each image."""
    generator = torch.Generator().manual_seed(1)
    vision = loaded.model.config.vision_config
    num_images = num_rows // questions
    size = (num_images, 3, vision.image_size, vision.image_size)
    pixels = torch.randn(*size, generator=generator)
    patches_a_side = vision.image_size // vision.patch_size
    image = [BEGIN] + [IMAGE] * patches_a_side**2
    prompts = []
    for row in range(num_rows):
        question = torch.randint(FIRST_WORD, VOCABULARY, (24 - row % 4,), generator=generator)
        prompts.append(image + question.tolist())
    inputs = left_padded(prompts) | {"pixel_values": pixels.repeat_interleave(questions, 0)}
    inputs = on_device(inputs, loaded)
    if questions == 1:
        return Batch(inputs)
    groups = [list(range(first, first + questions)) for first in range(0, num_rows, questions)]
    firsts = left_padded([prompts[group[0]] for group in groups]) | {"pixel_values": pixels}
    return Batch(inputs, find_prefix(inputs, on_device(firsts, loaded), groups, IMAGE))


def left_padded(prompts: list[list[int]]) -> Inputs:
    """Return ids and mask, both (rows, longest prompt)."""
    longest = max(len(prompt) for prompt in prompts)
    ids, masks = [], []
    for prompt in prompts:
        padding = [0] * (longest - len(prompt))
        ids.append(padding + prompt)
        masks.append(padding + [1] * len(prompt))
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(masks)}


def on_device(inputs: Inputs, loaded: LoadedModel) -> Inputs:
    """Return the inputs on the model's device, pixels in its number format."""
    moved = {}
    for name, value in inputs.items():
        dtype = loaded.model.dtype if value.is_floating_point() else None
        moved[name] = value.to(loaded.device, dtype)
    return moved


def start(loaded: LoadedModel, questions: int, length: int) -> Engine:
    """Return the engine for answers of up to so many tokens, on the rung that it finds itself."""
    probe = make_batch(loaded, 2 * questions if questions > 1 else 4, questions)
    return start_engine("shared", loaded, probe, length)


def measure(
    engine: Engine, best: Way, num_rows: int, questions: int, repeats: int, extra: Sequence[Way]
) -> list[dict[str, object]]:
    """Measure the best way on the one-block candidates, beside the plain loop and extra ways."""
    loaded = engine.loaded
    batch = make_batch(loaded, num_rows - num_rows % questions, questions)
    combinations = one_block_candidates(loaded)
    full_answers = tokens_in_way(engine, REFERENCE, batch, [NONE], None)[NONE]
    drafts = corrupt_some(full_answers)
    ways = {PLAIN_LOOP: REFERENCE}
    ways |= {f"shared ({way.name})": way for way in (*extra, best)}
    measured, answers = compare(engine, ways, batch, combinations, drafts, repeats)
    setting: dict[str, object] = {
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "tokens": engine.context.max_new_tokens,
        "questions": questions,
        "rows": batch.rows,
        "right": share_right(answers, drafts),
    }
    return [setting | asdict(each) for each in measured]


def corrupt_some(answers: Drafts) -> Drafts:
    """Return drafts that are wrong at a random place in 30 % of the rows."""
    chance = random.Random(0)
    drafts = [list(answer) for answer in answers]
    for draft in drafts:
        if chance.random() < 0.3:
            place = chance.randrange(len(draft))
            num_words = VOCABULARY - FIRST_WORD
            draft[place] = FIRST_WORD + (draft[place] + 1) % num_words
    return drafts


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokens", type=int, nargs="+", default=[4, 64])
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/large_llava.json"))
    options = parser.parse_args()
    has_gpu = torch.cuda.is_available()
    device = "cuda" if has_gpu else "cpu"
    dtypes = [torch.bfloat16, torch.float32] if has_gpu else [torch.float32]
    size = SIZES["small" if options.small else "real"]
    if not has_gpu:
        torch.set_num_threads(1)
    table: list[dict[str, object]] = []
    for dtype in dtypes:
        loaded = build_model(size, device, dtype)
        for questions in (1, 5):
            for length in options.tokens:
                engine = start(loaded, questions, length)
                table += measure(
                    engine, engine.way, 16, questions, options.repeats, extra=[PREFILL]
                )
    device_name = torch.cuda.get_device_name() if has_gpu else "cpu"
    report({"device": device_name, "small": options.small}, table, options.out)


if __name__ == "__main__":
    main()
