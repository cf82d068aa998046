"""A random-weight LLaVA of real size: 16 blocks of width 2048, a ViT-L/14-336 tower, 576 image tokens, batches of 16.

The plain loop (generate without the blocks) against the shared engine for the 16 one-block candidates,
short and long answers, one question an image and five. The blocks write little into their stream, so that candidates
answer much alike, as those of a trained model do; drafts are the whole model's answers, wrong at a random place in 30 %
of the rows; `right` is the share of rows for which they were right. With a GPU it runs there; --small is for a CPU.
"""

import argparse
import random
from pathlib import Path
from typing import Any

import torch
from common import Tokens, report, side_by_side
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from blocksieve.combination import NONE, Combination
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch, find_prefix
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel

BLOCKS, IMAGE, VOCABULARY = 16, 5, 32000
QUIET = 0.001
SIZES = {
    "real": {"width": 2048, "inner": 5632, "heads": 16, "tower": (1024, 4096, 24, 16, 336, 14)},
    "small": {"width": 256, "inner": 688, "heads": 4, "tower": (256, 688, 6, 4, 196, 14)},
}


class Numbers:
    """A tokenizer whose text is the tokens' numbers."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        """Join the numbers."""
        return " ".join(map(str, tokens))


def build(size: str, device: str, dtype: torch.dtype) -> LoadedModel:
    """The model, on its device."""
    wanted = SIZES[size]
    width, inner, depth, heads, pixels, patch = wanted["tower"]
    vision = CLIPVisionConfig(
        hidden_size=width, intermediate_size=inner, num_hidden_layers=depth, num_attention_heads=heads,
        image_size=pixels, patch_size=patch,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=wanted["width"], intermediate_size=wanted["inner"], num_hidden_layers=BLOCKS,
        num_attention_heads=wanted["heads"], pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device(device):
        config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE)
        model = LlavaForConditionalGeneration(config).to(dtype).eval()
    with torch.no_grad():
        for block in find_blocks(model).blocks:
            block.self_attn.o_proj.weight *= QUIET
            block.mlp.down_proj.weight *= QUIET
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = None, 0
    return LoadedModel(model, Numbers(), model.device, find_blocks(model))


def make_batch(loaded: LoadedModel, rows: int, questions: int) -> Batch:
    """Prompts of 24 tokens and less after the image, so many about each image."""
    generator = torch.Generator().manual_seed(1)
    vision = loaded.model.config.vision_config
    pixels = torch.randn(
        rows // questions, 3, vision.image_size, vision.image_size, generator=generator
    )
    image = [1] + [IMAGE] * (vision.image_size // vision.patch_size) ** 2
    prompts = [
        image + torch.randint(10, VOCABULARY, (24 - row % 4,), generator=generator).tolist()
        for row in range(rows)
    ]
    groups = [list(range(first, first + questions)) for first in range(0, rows, questions)]
    inputs = padded(prompts) | {"pixel_values": pixels.repeat_interleave(questions, 0)}
    firsts = padded([prompts[group[0]] for group in groups]) | {"pixel_values": pixels}
    inputs, firsts = (place(given, loaded) for given in (inputs, firsts))
    return Batch(inputs, find_prefix(inputs, firsts, groups, IMAGE) if questions > 1 else None)


def padded(prompts: list[list[int]]) -> dict[str, torch.Tensor]:
    """Left-padded ids and their mask."""
    longest = max(map(len, prompts))
    return {
        "input_ids": torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts]),
        "attention_mask": torch.tensor(
            [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        ),
    }


def place(inputs: dict[str, torch.Tensor], loaded: LoadedModel) -> dict[str, torch.Tensor]:
    """On the model's device, pixels in its number format."""
    moved = {name: value.to(loaded.device) for name, value in inputs.items()}
    return {
        name: value.to(loaded.model.dtype) if value.is_floating_point() else value
        for name, value in moved.items()
    }


def measure(loaded: LoadedModel, length: int, questions: int, repeats: int) -> list[dict[str, Any]]:
    """Rows of the table for one length of answers."""
    batch = make_batch(loaded, 15 if questions == 5 else 16, questions)
    probe = make_batch(loaded, 2 * questions if questions > 1 else 4, questions)
    engine = start_engine("shared", loaded, probe, length)
    best, combinations = engine.rung, [Combination.of((block,)) for block in range(BLOCKS)]
    drafts = spoiled(answers(engine, "reference", batch, [NONE], None)[NONE])
    timed = side_by_side(
        {
            "reference (plain loop)": lambda: answers(
                engine, "reference", batch, combinations, drafts
            ),
            f"shared ({best})": lambda: answers(engine, best, batch, combinations, drafts),
            "shared without drafts": lambda: answers(
                engine, "prefill", batch, combinations, drafts
            ),
        },
        repeats,
    )
    engine.work.done = engine.work.plain = engine.work.bound = 0
    said = answers(engine, best, batch, combinations, drafts)
    right = sum(
        row == draft for rows in said.values() for row, draft in zip(rows, drafts, strict=True)
    )
    bound, plain = engine.work.plain / engine.work.bound, timed["reference (plain loop)"]["seconds"]
    about = {
        "dtype": str(loaded.model.dtype).split(".")[1],
        "tokens": length,
        "questions_an_image": questions,
    }
    about["right"] = right / len(combinations) / batch.rows
    return [
        {
            **about, "way": name, "seconds": row["seconds"], "speed_up": plain / row["seconds"], "bound": bound,
            "share": plain / row["seconds"] / bound, "differing_rows": row["differing_rows"],
        }
        for name, row in timed.items()
    ]  # fmt: skip


def answers(
    engine: Engine, rung: str, batch: Batch, combinations: list[Combination], drafts: Any
) -> Tokens:
    """All answers on one rung."""
    engine.rung = rung
    return {
        c: [row.tokens for row in rows]
        for c, rows in engine.answer_batch(batch, combinations, drafts)
    }


def spoiled(said: list[list[int]]) -> list[list[int]]:
    """Wrong at a random place in 30 % of the rows."""
    chance, drafts = random.Random(0), [list(row) for row in said]
    for draft in drafts:
        if chance.random() < 0.3:
            spot = chance.randrange(len(draft))
            draft[spot] = 10 + (draft[spot] + 1) % (VOCABULARY - 10)
    return drafts


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokens", type=int, nargs="+", default=[4, 64])
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/large_llava.json"))
    given = parser.parse_args()
    gpu = torch.cuda.is_available()
    torch.set_num_threads(torch.get_num_threads() if gpu else 1)
    table = []
    for dtype in (torch.bfloat16, torch.float32) if gpu else (torch.float32,):
        loaded = build("small" if given.small else "real", "cuda" if gpu else "cpu", dtype)
        for questions in (1, 5):
            for length in given.tokens:
                table += measure(loaded, length, questions, given.repeats)
    about = {"device": torch.cuda.get_device_name() if gpu else "cpu", "small": given.small}
    report(about, table, given.out)


if __name__ == "__main__":
    main()
