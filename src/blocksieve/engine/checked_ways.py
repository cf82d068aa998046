"""What the self-check of an engine found, kept in a file, so that later jobs only confirm it."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch

from blocksieve.engine.self_check import Climbed
from blocksieve.engine.ways import LADDER
from blocksieve.files import fingerprint, is_whole, set_aside, write_json
from blocksieve.models.loading import LoadedModel
from blocksieve.source_closure import PACKAGE, checksum_of_code

logger = logging.getLogger("blocksieve")

# Where the code lies that a check is about.
CHECKED_FOLDERS = ("engine", "models")
WAYS = {way.name: way for way in LADDER}


class ClimbedContent(TypedDict):
    """A `Climbed` as JSON holds it: its way by name."""

    way: str
    reason: str
    drift: float


@dataclass(frozen=True)
class CheckedWays:
    """The ways that answer a probe exactly, and how padding changes the whole model's answers.

    `long_way`: for batches past the length up to which rotary embeddings are constant. `padding`
    is None where a batch answers as its rows alone do.
    """

    fastest: Climbed
    long_way: Climbed
    padding: str | None

    def write(self, path: Path) -> None:
        """Write the ways as JSON."""
        content = {
            "fastest": _content(self.fastest),
            "long_way": _content(self.long_way),
            "padding": self.padding,
        }
        write_json(path, content)


def read_checked_ways(path: Path) -> CheckedWays | None:
    """Read what a check found; None if there is nothing, or nothing as it was written."""
    if not path.exists():
        return None
    if not is_whole(path):
        set_aside(path)
        logger.warning("%s is corrupt; set aside, the engine is checked anew", path)
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return CheckedWays(
        fastest=_climbed(content["fastest"]),
        long_way=_climbed(content["long_way"]),
        padding=content["padding"],
    )


def checked_ways_name(
    engine: str, loaded: LoadedModel, sample_ids: list[str], halves: bool = False
) -> str:
    """Return a name for what a probe of these samples shows: all that may change it.

    But for what decides predictions, under which the caller keeps it. `halves`: whether halves
    of blocks are checked, too.
    """
    device = loaded.device
    on_gpu = device.type == "cuda"
    return fingerprint(
        {
            "engine": engine,
            "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
            "samples": sample_ids,
            "halves": halves,
            "code": _checksum_of_code(),
        }
    )


def _checksum_of_code() -> str:
    files: list[Path] = []
    for folder in CHECKED_FOLDERS:
        files += sorted((PACKAGE / folder).glob("*.py"))
    return checksum_of_code(files)


def _content(climbed: Climbed) -> ClimbedContent:
    return {"way": climbed.way.name, "reason": climbed.reason, "drift": climbed.drift}


def _climbed(content: ClimbedContent) -> Climbed:
    return Climbed(WAYS[content["way"]], content["reason"], content["drift"])
