"""Where a checkpoint lies and what identifies it. Imports neither torch nor transformers."""

import importlib.util
from dataclasses import replace
from pathlib import Path

from blocksieve.errors import ModelError, first_line
from blocksieve.files import file_hash, fingerprint
from blocksieve.specs import ModelSpec

WEIGHTS = (".safetensors", ".gguf")
# Suffixes of the files that decide a prediction: weights, configs, chat templates, vocabularies
# and code. A model card does not.
DECISIVE = (*WEIGHTS, ".json", ".jinja", ".model", ".txt", ".py")
# Second copies of the weights, in other formats, that some hub repositories hold.
COPIES = ("consolidated*", "original/*", "onnx/*")
# The model card, which names the licence.
MODEL_CARD = "README.md"
PIN_HUB_ID = (
    "for a hub id set model.revision to a commit, so that results say which weights they belong to"
)


def locate(model: ModelSpec) -> str:
    """Return the folder or hub id that `model.path` means.

    `package:NAME/FOLDER` lies inside an installed Python package; ModelError if it is missing.
    """
    path = str(model.path)
    if not path.startswith("package:"):
        return path
    package, _, folder = path.removeprefix("package:").partition("/")
    module_spec = importlib.util.find_spec(package)
    if module_spec is None or not module_spec.submodule_search_locations:
        raise ModelError(
            f"config: model.path: Python package {package!r} is not installed; "
            "run pip install for it"
        )
    return str(Path(module_spec.submodule_search_locations[0]) / folder)


def fetch(model: ModelSpec) -> Path:
    """Return the checkpoint's folder; a hub id's revision is downloaded if its cache lacks it.

    Without a network only the cache counts. ModelError with advice if the checkpoint cannot be had.
    """
    location = locate(model)
    if Path(location).is_dir():
        return Path(location)
    if model.revision is None:
        raise ModelError(f"config: model.path: there is no folder {location!r}; {PIN_HUB_ID}")
    # The rules import this module also where the extra `models`, and with it this package, is not
    # installed.
    from huggingface_hub import snapshot_download

    # A GGUF repository holds one file per quantisation: of these only the named file is fetched.
    patterns = [MODEL_CARD, *(f"*{suffix}" for suffix in DECISIVE if suffix != ".gguf")]
    if model.gguf_file is not None:
        patterns.append(model.gguf_file)
    try:
        folder = snapshot_download(
            location,
            revision=model.revision,
            allow_patterns=patterns,
            ignore_patterns=list(COPIES),
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"config: model.path: cannot get {location!r} at {model.revision!r} from the hub: "
            f"{first_line(error)}; check its name, or run "
            f"`hf download {location} --revision {model.revision}` where there is a network "
            "(`hf auth login` first if it is gated), or set model.path to a folder"
        ) from error
    return Path(folder)


def checkpoint_files(model: ModelSpec) -> list[Path]:
    """Return the decisive files of a checkpoint's folder, sorted; none for a hub id."""
    return decisive_files(Path(locate(model)), model.gguf_file)


def decisive_files(folder: Path, gguf_file: str | None) -> list[Path]:
    """Return a folder's files that decide a prediction, sorted; of GGUF files only this one."""
    files = []
    for file in sorted(folder.rglob("*")):
        if file.suffix not in DECISIVE or not file.is_file():
            continue
        if file.suffix != ".gguf" or file.name == gguf_file:
            files.append(file)
    return files


def no_weights(location: str) -> str:
    """Say that a checkpoint has no weights that are read, and what to do."""
    return (
        f"config: model.path: no weights ({', '.join(WEIGHTS)}) in {location!r};"
        " name the folder of a checkpoint"
    )


def as_written(model: ModelSpec, folder: Path) -> ModelSpec:
    """Return the spec of a checkpoint that was written from a model, which may be a GGUF file."""
    return replace(model, path=str(folder), revision=None, gguf_file=None)


def identify(model: ModelSpec) -> str:
    """Return a fingerprint of the weights and of all else in the checkpoint that decides.

    A folder is hashed file by file; a hub id counts with the commit that its revision means now.
    ModelError if there are no weights.
    """
    location = locate(model)
    folder = fetch(model)
    files = decisive_files(folder, model.gguf_file)
    has_weights = any(file.suffix in WEIGHTS for file in files)
    if not has_weights:
        raise ModelError(no_weights(location))
    if not Path(location).is_dir():
        # The hub's cache names the folder of a snapshot by its commit.
        commit = folder.name
        return fingerprint({"hub": location, "commit": commit, "gguf_file": model.gguf_file})
    hashes = {}
    for file in files:
        path = str(file.relative_to(folder))
        hashes[path] = file_hash(file)
    return fingerprint(hashes)
