"""The number format that a checkpoint is stored in. Imports neither torch nor transformers."""

import json
from dataclasses import replace
from pathlib import Path

from blocksieve.errors import ModelError
from blocksieve.models.checkpoint import fetch
from blocksieve.specs import ModelSpec

FORMATS = ("float32", "bfloat16", "float16")
# Names of floating formats in a safetensors header.
STORED = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def with_own_format(model: ModelSpec) -> ModelSpec:
    """Return the model with the checkpoint's own number format in place of `auto`.

    As transformers' `dtype="auto"`: what config.json says, else that of the first floating weights.
    A GGUF file's weights are unpacked to float32. ModelError if the format is none that is run.
    """
    if model.dtype != "auto":
        return model
    if model.gguf_file is not None:
        return replace(model, dtype="float32")
    folder = fetch(model)
    name = _of_config(folder / "config.json") or _of_weights(folder)
    if name not in FORMATS:
        raise ModelError(
            f"config: model.dtype: auto finds {name or 'no number format'} in {model.path!r};"
            f" set it to one of {', '.join(FORMATS)}"
        )
    return replace(model, dtype=name)


def _of_config(path: Path) -> str | None:
    """Return the format that a config.json names, if any."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"config: model.path: {path} is not readable JSON: {error}") from error
    name = content.get("dtype") or content.get("torch_dtype")
    return str(name).removeprefix("torch.") if name else None


def _of_weights(folder: Path) -> str | None:
    """Return the format of the first floating weights of the first safetensors file, if any."""
    for path in sorted(folder.glob("*.safetensors"))[:1]:
        with path.open("rb") as file:
            # A safetensors file begins with the length of its header, which is JSON.
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        for name, weights in header.items():
            if name != "__metadata__" and weights["dtype"] in STORED:
                return STORED[weights["dtype"]]
    return None
