"""The training of the embedded model: its rows, its order of lessons, and going on after a kill."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from picture_reader import read_things

from blocksieve.datasets.demo.canvas import SHAPES

TRAINING = Path(__file__).parents[2] / "training"


class Modules:
    """The training's modules, which are scripts beside the package."""

    def __init__(self) -> None:
        import batches
        import block_profile
        import lessons
        import parts
        import sight
        import train

        self.batches, self.lessons, self.parts, self.train = batches, lessons, parts, train
        self.profile, self.sight = block_profile, sight


@pytest.fixture(scope="module")
def modules():
    sys.path.insert(0, str(TRAINING))
    yield Modules()
    sys.path.remove(str(TRAINING))


@pytest.fixture(scope="module")
def encoder(modules: Modules):
    return modules.batches.Encoder(modules.parts.build_processor())


@pytest.fixture
def small(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the model and the steps small."""
    for name, value in {"BLOCKS": 2, "WIDTH": 16, "HEADS": 2, "MLP_WIDTH": 16}.items():
        monkeypatch.setattr(modules.parts, name, value)
    for name, value in {"BATCH": 8, "SECONDS_BETWEEN_CHECKPOINTS": 0, "NUM_HELD_OUT": 4}.items():
        monkeypatch.setattr(modules.train, name, value)
    monkeypatch.setattr(modules.batches, "MICRO_BATCH", 4)
    monkeypatch.setattr(modules.sight, "NUM_PICTURES", 64)


def begin(modules: Modules, encoder):
    """Return a training whose tasks are all open, so that every kind of row is drawn."""
    training = modules.train.start(1, encoder, "cpu")
    training.curriculum.top_levels = dict.fromkeys(modules.lessons.TASKS, 2)
    return training


def state_bytes(training) -> list[bytes]:
    weights = [weight.numpy().tobytes() for weight in training.model.state_dict().values()]
    for moments in training.optimizer.state_dict()["state"].values():
        weights += [value.numpy().tobytes() for value in moments.values()]
    return weights


def test_a_killed_training_goes_on_to_the_same_bytes(
    modules: Modules, encoder, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = begin(modules, encoder)
    modules.train.train(undisturbed, encoder, 300, tmp_path / "undisturbed")
    assert undisturbed.steps > 6

    learn = modules.train.learn
    calls = iter(range(100))

    def killed_at_the_sixth_step(*arguments):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return learn(*arguments)

    killed = begin(modules, encoder)
    monkeypatch.setattr(modules.train, "learn", killed_at_the_sixth_step)
    with pytest.raises(KeyboardInterrupt):
        modules.train.train(killed, encoder, 300, tmp_path / "killed")
    monkeypatch.setattr(modules.train, "learn", learn)
    # What a kill within a save leaves behind is not read.
    (tmp_path / "killed/000000999.unfinished").write_bytes(b"half")

    resumed = modules.train.start(2, encoder, "cpu")
    resumed.load(modules.train.checkpoints(tmp_path / "killed")[-1])
    assert resumed.steps == 5
    modules.train.train(resumed, encoder, 300, tmp_path / "killed")
    assert state_bytes(resumed) == state_bytes(undisturbed)
    assert resumed.curriculum == undisturbed.curriculum
    assert len(modules.train.checkpoints(tmp_path / "killed")) == 2


def test_tiles_are_named_as_they_are_drawn(modules: Modules, monkeypatch) -> None:
    monkeypatch.setattr("blocksieve.datasets.demo.canvas.Canvas.spoil", lambda *_: None)
    rng = random.Random(0)
    pictures = [modules.sight.tiles(rng, 0, False) for _ in range(60)]
    colors, contents = modules.sight.tile_targets(pictures)
    assert len(colors) == len(contents) == 60 * 16
    for number, picture in enumerate(pictures):
        things = read_things(picture.pixels)
        for cell in range(16):
            color = modules.sight.TILE_COLORS[colors[16 * number + cell]]
            content = modules.sight.TILE_CONTENTS[contents[16 * number + cell]]
            if content in SHAPES:
                assert things[cell] == (color, content)
            else:
                assert cell not in things
    assert len(set(contents.tolist())) == len(modules.sight.TILE_CONTENTS)


def test_rows_are_what_the_processor_makes(modules: Modules, encoder) -> None:
    encoder.check(random.Random(3))


def test_no_word_of_the_tasks_is_unknown(modules: Modules, encoder) -> None:
    rng = random.Random(4)
    unknown = encoder.processor.tokenizer.unk_token_id
    for task in modules.lessons.TASKS:
        for row in modules.batches.draw_rows(encoder, [(task, 4)] * 50, rng):
            for exchange in row.exchanges:
                assert unknown not in exchange.prompt + exchange.answer


def test_a_question_sees_its_picture_and_itself_alone(
    modules: Modules, encoder, small: None
) -> None:
    training = begin(modules, encoder)
    lessons = [("tally_qa", 2), ("caption", 3), ("vqa", 4)]
    rows = modules.batches.draw_rows(encoder, lessons, random.Random(2))
    (batch,) = modules.batches.micro_batches(rows)
    losses, question_of_token, _ = modules.train.forward(training.model, batch)
    number = 0
    for row in rows:
        for exchange in row.exchanges:
            # One conversation as the processor makes it, with the library's own mask and positions.
            tokens = torch.tensor([row.picture_tokens + exchange.prompt + exchange.answer])
            labels = tokens.clone()
            labels[:, : -len(exchange.answer)] = -100
            pixels = modules.batches.pad([row]).pixels
            alone = training.model(input_ids=tokens, pixel_values=pixels, labels=labels).loss
            together = losses[question_of_token == number].mean()
            torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
            number += 1
    assert number == sum(len(row.exchanges) for row in rows) > 7


def test_lessons_open_one_after_the_other(modules: Modules) -> None:
    curriculum = modules.lessons.Curriculum()
    rng = random.Random(0)
    reading = {(drill, 0) for drill in modules.lessons.READING_DRILLS}
    assert set(curriculum.draw(rng, 300)) == reading
    for lesson in reading:
        curriculum.update([lesson] * 2000, [True] * 2000)
    assert curriculum.top_levels == dict.fromkeys(modules.lessons.TASKS, 0)
    curriculum.update([("vqa", 0)] * 2000, [True] * 2000)
    curriculum.update([("st_qa", 0)] * 2000, [False] * 2000)
    assert curriculum.top_levels["vqa"] == 1
    assert curriculum.top_levels["st_qa"] == 0
    lessons = curriculum.draw(rng, 20_000)
    assert lessons.count(("st_qa", 0)) > 2 * lessons.count(("vqa", 0)) > 0
    assert ("vqa", 2) not in lessons
    curriculum.update([("st_qa", 0)] * 60_000, [False] * 60_000)
    assert curriculum.top_levels["st_qa"] == 1


def test_the_rate_rises_stays_and_falls(modules: Modules) -> None:
    rate = modules.train.learning_rate
    peak = modules.train.PEAK_RATE
    total = 1_000_000
    assert rate(0, total) < 0.02 * peak
    assert rate(100_000, total) == rate(590_000, total) == peak
    assert rate(800_000, total) == pytest.approx(0.505 * peak)
    assert rate(total, total) == pytest.approx(0.01 * peak)


def test_a_block_taken_out_is_a_block_that_adds_nothing(
    modules: Modules, encoder, small: None
) -> None:
    model = begin(modules, encoder).model
    rows = modules.batches.draw_rows(encoder, [("vqa", 1)], random.Random(2))
    (batch,) = modules.batches.micro_batches(rows)
    before, *_ = modules.train.forward(model, batch)
    with modules.profile.without(model, (0,)):
        removed, *_ = modules.train.forward(model, batch)
    after, *_ = modules.train.forward(model, batch)
    block = model.model.language_model.layers[0]
    with torch.no_grad():
        block.self_attn.o_proj.weight.zero_()
        block.mlp.down_proj.weight.zero_()
    silent, *_ = modules.train.forward(model, batch)
    assert torch.equal(before, after)
    assert not torch.allclose(before, removed, atol=1e-4)
    torch.testing.assert_close(removed, silent)


def planted_scores(modules: Modules, costs: dict[str, list[float]]):
    """Return scores where each block makes wrong a share of a task's questions, its own ones."""
    scores = modules.profile.Scores.__new__(modules.profile.Scores)
    scores.num_blocks = len(next(iter(costs.values())))
    scores.rows = dict.fromkeys(costs)
    uniform = np.random.default_rng(0).random((scores.num_blocks, 400))

    def score(task: str, blocks: tuple[int, ...]) -> np.ndarray:
        lost = np.zeros(400, dtype=bool)
        for block in blocks:
            lost |= uniform[block] < costs[task][block]
        return 1.0 - lost

    scores.of = score
    return scores


def test_the_profile_counts_the_blocks_that_cost_more(
    modules: Modules, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = {"vqa": [0.5, 0.0, 0.2, 0.0], "caption": [0.3, 0.0, 0.2, 0.0]}
    modules.profile.print_single_drops(planted_scores(modules, costs))
    assert capsys.readouterr().out.endswith(
        "block 1 costs least; 2 of 3 others cost more (FDR 5 %)\n"
    )


def test_the_profile_shows_which_task_types_want_lists_of_their_own(
    modules: Modules, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = [0.0, 0.0, 0.0, 0.0, 0.4, 0.4], [0.4, 0.4, 0.0, 0.0, 0.0, 0.0]
    costs = dict.fromkeys(modules.lessons.TASKS, first) | {"caption": second}
    modules.profile.print_lists(planted_scores(modules, costs))
    shown = {line.strip() for line in capsys.readouterr().out.splitlines() if "against" in line}
    assert "Captioning against the list of VQA, size 2" in shown
    assert "VQA against the list of Captioning, size 3" in shown
    assert not any("VQA" in line and "Document QA" in line for line in shown)
