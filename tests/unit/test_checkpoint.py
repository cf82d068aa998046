"""Which files of a checkpoint decide, and where they come from."""

from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from blocksieve.errors import ModelError
from blocksieve.models.checkpoint import checkpoint_files, fetch, identify, locate
from blocksieve.specs import ModelSpec

MODEL = ModelSpec(
    kind="vlm",
    path="",
    revision=None,
    gguf_file=None,
    blocks=None,
    prompt=None,
    dtype="float32",
    device="cpu",
    trust_remote_code=False,
)


def model(path: str, **changes: str) -> ModelSpec:
    return replace(MODEL, path=path, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text("a card")
    return tmp_path


def test_weights_and_config_decide_and_the_card_does_not(folder: Path) -> None:
    before = identify(model(str(folder)))
    (folder / "README.md").write_text("another card")
    assert identify(model(str(folder))) == before
    (folder / "config.json").write_text('{"a": 1}')
    assert identify(model(str(folder))) != before
    assert [file.name for file in checkpoint_files(model(str(folder)))] == [
        "config.json",
        "model.safetensors",
    ]


def test_the_same_files_elsewhere_are_the_same_model(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("moved") / "model"
    before = identify(model(str(folder)))
    folder.rename(moved)
    assert identify(model(str(moved))) == before


def test_of_several_gguf_files_only_the_named_one_counts(folder: Path) -> None:
    (folder / "a.gguf").write_bytes(b"a")
    before = identify(model(str(folder), gguf_file="a.gguf"))
    (folder / "b.gguf").write_bytes(b"b")
    assert identify(model(str(folder), gguf_file="a.gguf")) == before
    assert identify(model(str(folder), gguf_file="b.gguf")) != before


COMMIT = "b234b804b114d9e37bb655e11cbbb5f5e971b7a9"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `hf download some/model` leaves, on a machine without a network."""
    repository = tmp_path / "models--some--model"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"weights")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return snapshot


def test_a_hub_id_needs_a_revision() -> None:
    with pytest.raises(
        ModelError, match=r"there is no folder 'some/model'; for a hub id set model.revision"
    ):
        identify(model("some/model"))


def test_a_hub_id_is_its_commit_whatever_the_revision_is_called(hub_cache: Path) -> None:
    assert (
        fetch(model("some/model", revision="main"))
        == fetch(model("some/model", revision=COMMIT))
        == hub_cache
    )
    assert identify(model("some/model", revision="main")) == identify(
        model("some/model", revision=COMMIT)
    )


def test_a_hub_id_that_cannot_be_had_is_one_line_with_the_fix(hub_cache: Path) -> None:
    for path in ("some/other", "not a name"):
        with pytest.raises(
            ModelError, match=f"`hf download {path} --revision main` where there is a network"
        ) as raised:
            fetch(model(path, revision="main"))
        assert "\n" not in str(raised.value)


def test_a_folder_without_weights_and_a_package_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no weights"):
        identify(model(str(tmp_path)))
    with pytest.raises(ModelError, match="Python package 'no_such_package' is not installed"):
        locate(model("package:no_such_package/weights"))


def test_a_folder_inside_a_package() -> None:
    assert Path(locate(model("package:blocksieve/models"))).joinpath("checkpoint.py").exists()
