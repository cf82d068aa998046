"""Teach the vision tower what a tile shows, before the language model reads from it.

Vision-language models start from a trained image encoder. Through sixteen blocks an untrained one
learns colours, but neither shapes nor letters in 26 thousand samples; with a linear head of its
own, which is then thrown away, it learns both in 5 thousand pictures.
"""

import random

import numpy as np
import torch
from transformers import LlavaForConditionalGeneration

from blocksieve.datasets.demo.picture import Picture
from blocksieve.datasets.demo.tasks import draw
from drills import TILE_COLORS, TILE_CONTENTS, tiles

NUM_PICTURES = 30_000
BATCH = 32
PEAK_RATE = 2e-3
WARM_UP = 3_000


def teach_sight(model: LlavaForConditionalGeneration, rng: random.Random) -> float:
    """Train the tower, and return the share of tiles named right at the end."""
    tower = model.model.vision_tower
    width = tower.config.hidden_size
    head = torch.nn.Linear(width, len(TILE_COLORS) + len(TILE_CONTENTS)).to(model.device)
    weights = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, betas=(0.9, 0.98), weight_decay=0.05)
    tower.train()
    share = 0.0
    for seen in range(0, NUM_PICTURES, BATCH):
        rise = min(1.0, (seen + BATCH) / WARM_UP)
        fall = 1.02 - seen / NUM_PICTURES
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(rise, fall)
        pictures = [draw(tiles, rng, holdout=False) for _ in range(BATCH)]
        pixels = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
        pixels = (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).to(model.device)
        # Without the class token: [pictures, tiles, width].
        features = tower(pixel_values=pixels).last_hidden_state[:, 1:]
        outputs = head(features).flatten(0, 1).split([len(TILE_COLORS), len(TILE_CONTENTS)], -1)
        losses, are_right = [], []
        for logits, targets in zip(outputs, tile_targets(pictures), strict=True):
            targets = targets.to(model.device)
            losses.append(torch.nn.functional.cross_entropy(logits, targets))
            are_right.append(logits.argmax(-1) == targets)
        optimizer.zero_grad(set_to_none=True)
        sum(losses).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        share += 0.05 * ((are_right[0] & are_right[1]).float().mean().item() - share)
        if seen % (100 * BATCH) == 0:
            print(f"sight: {seen} pictures, {share:.3f} of tiles right", flush=True)
    return share


def tile_targets(pictures: list[Picture]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of colour and content of all tiles, each [pictures x tiles]."""
    colors, contents = [], []
    for picture in pictures:
        words = picture.questions[0].references[0].split()
        colors += [TILE_COLORS.index(word) for word in words[0::2]]
        contents += [TILE_CONTENTS.index(word) for word in words[1::2]]
    return torch.tensor(colors), torch.tensor(contents)
