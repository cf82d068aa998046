"""What prompts about the same images begin with in common, as a batch of its own."""

from dataclasses import dataclass

import torch

Inputs = dict[str, torch.Tensor]
"""A model's input tensors by name; `input_ids` and `attention_mask` are (rows, width)."""


@dataclass(frozen=True)
class Prefix:
    """The common beginnings of a batch's prompts: one per group of prompts about the same images.

    `inputs`: the prefixes' tensors, left-padded, one row per group. `group` (rows,): which prefix
    each prompt of the batch begins with. `rest` (rows, rest width): a mask over the last columns of
    the batch, true for the tokens after a prompt's prefix.
    """

    inputs: Inputs
    group: torch.Tensor
    rest: torch.Tensor

    @property
    def length(self) -> int:
        """How many columns the longest prefix takes."""
        ids = self.inputs["input_ids"]  # (groups, prefix length)
        return int(ids.shape[1])

    @property
    def num_groups(self) -> int:
        """How many prefixes there are."""
        return len(self.inputs["input_ids"])


def find_prefix(
    inputs: Inputs, firsts: Inputs, groups: list[list[int]], image_token: int | None
) -> Prefix | None:
    """Return the common beginnings of the prompts of each group.

    `inputs` hold all prompts, `groups` the rows about the same images, and `firsts` the first
    prompt of each group as a batch of its own. Every prefix holds the prompt's images, and is cut
    to the length that leaves the fewest columns in total. None if an image comes after what prompts
    have in common, or if nothing is saved.
    """
    ids = inputs["input_ids"]  # (rows, width)
    masks = inputs["attention_mask"].bool()  # (rows, width)
    # Without padding: prompts of the same image are padded differently. (tokens,) each
    prompts = [row[mask] for row, mask in zip(ids, masks, strict=True)]
    group = torch.zeros(len(prompts), dtype=torch.long, device=ids.device)  # (rows,)
    common_lengths = []  # by group
    image_ends = []  # by group
    for number, rows in enumerate(groups):
        group[rows] = number
        group_prompts = [prompts[row] for row in rows]
        common_length = _common_length(group_prompts)
        image_end = _end_of_last(group_prompts[0], image_token)
        if common_length < image_end:
            return None
        common_lengths.append(common_length)
        image_ends.append(image_end)
    prefix_lengths = torch.tensor(common_lengths, device=ids.device)  # (groups,)
    prompt_lengths = masks.sum(1)  # (rows,)

    def num_places(longest: int) -> int:
        """Return the size of both passes, padding included, if prefixes are at most this long."""
        prefix_places = len(groups) * longest
        cut_lengths = prefix_lengths.clamp(max=longest)  # (groups,)
        rest_lengths = prompt_lengths - cut_lengths[group]  # (rows,)
        rest_places = len(prompts) * int(rest_lengths.max())
        return prefix_places + rest_places

    # A shorter limit pads the short prefixes less, but lets the long prompts read more again.
    shortest_limit = max(1, *image_ends)
    candidates = range(shortest_limit, max(common_lengths) + 1)
    longest = min(candidates, key=num_places, default=0)
    if longest == 0:
        return None
    if num_places(longest) >= ids.numel():
        return None
    cut_lengths = prefix_lengths.clamp(max=longest)  # (groups,)
    return _cut_prefixes(firsts, cut_lengths, group, prompt_lengths)


def _cut_prefixes(
    firsts: Inputs,
    prefix_lengths: torch.Tensor,  # (groups,)
    group: torch.Tensor,  # (rows,)
    prompt_lengths: torch.Tensor,  # (rows,)
) -> Prefix:
    """Cut prefixes of the given lengths from the tensors of each group's first prompt."""
    ids, mask = firsts["input_ids"], firsts["attention_mask"]  # (groups, width)
    longest = int(prefix_lengths.max())
    columns = torch.arange(longest, device=prefix_lengths.device)  # (longest,)
    # Right-aligned: the last column of each row is the last token of its prefix. A place below 0 is
    # padding.
    place_in_prompt = columns - longest + prefix_lengths[:, None]  # (groups, longest)
    is_token = place_in_prompt >= 0  # (groups, longest)
    # Where a prompt begins in its row of `firsts`, which is left-padded to another width.
    begin = (mask == 0).sum(1)[:, None]  # (groups, 1)
    source = begin + place_in_prompt  # (groups, longest): columns of `firsts`
    source = source.clamp(min=0)  # any column will do for padding
    inputs = {}
    for name, value in firsts.items():
        if value.shape == ids.shape:
            inputs[name] = value.gather(1, source)  # (groups, longest)
        else:
            # No entry per token: pixels, say, which all belong to the prefix.
            inputs[name] = value
    inputs["attention_mask"] = is_token.to(mask.dtype)
    rest_lengths = prompt_lengths - prefix_lengths[group]  # (rows,)
    rest_width = int(rest_lengths.max())
    rest_columns = torch.arange(rest_width, device=prefix_lengths.device)  # (rest width,)
    rest = rest_columns >= rest_width - rest_lengths[:, None]  # (rows, rest width)
    return Prefix(inputs, group, rest)


def _end_of_last(prompt: torch.Tensor, token: int | None) -> int:
    """Return how many tokens there are up to and with the last of a kind; `prompt`: (tokens,)."""
    if token is None:
        return 0
    places = (prompt == token).nonzero()  # (occurrences, 1)
    if not len(places):
        return 0
    last_place = int(places[-1])
    return last_place + 1


def _common_length(prompts: list[torch.Tensor]) -> int:
    """Return how many tokens all prompts (tokens,) begin with; each has at least one more."""
    # One token of every prompt must be left to read, since its logits begin the answer.
    longest = min(len(prompt) for prompt in prompts) - 1
    beginnings = torch.stack([prompt[:longest] for prompt in prompts])  # (prompts, longest)
    differs = (beginnings != beginnings[0]).any(0)  # (longest,)
    if not bool(differs.any()):
        return longest
    # argmax of zeros and ones is the place of the first one.
    return int(differs.int().argmax())
