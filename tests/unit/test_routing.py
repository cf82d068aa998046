"""The router: what it knows, what it does not, its file, and what it saves."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import polars as pl
import pytest
from planted import planted_definition, planted_evaluations, planted_evidence
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from blocksieve.analysis.routing import (
    NO_HOLDOUT,
    NO_SAMPLES,
    ONE_TYPE,
    UNTRIED,
    analyse,
    policy_sums,
)
from blocksieve.choosing import choose
from blocksieve.errors import DataError
from blocksieve.figures.routing import draw
from blocksieve.report.findings import routing as findings_of_routing
from blocksieve.report.routing import sections
from blocksieve.routing import Router
from blocksieve.routing.fitting import (
    INVERSE_PENALTY,
    MAX_ERROR,
    calibrated,
    combinations_by_task_type,
    fit_router,
)
from blocksieve.routing.prompts import prompts_of, wordings
from blocksieve.routing.router import n_grams

THINGS = ("dog", "car", "umbrella", "table", "bottle", "bicycle")
PAPERS = ("letter", "invoice", "report", "form", "memo", "contract")
QUESTIONS = {
    "VQA": (
        THINGS,
        "What color is the {}?",
        "Is the {} real?",
        "Where is the {}?",
        "What is behind the {} on the left?",
        "Who is holding the {}?",
        "Does the {} look old?",
        "What is lying on top of the {}?",
        "Is a {} outside?",
        "What is the {} made of?",
        "Is the man looking at the {}?",
        "What kind of {} is this?",
        "Is this {} broken?",
    ),
    "Document QA": (
        PAPERS,
        "What is the date of the {}?",
        "What is the total amount in the {}?",
        "Who signed the {}?",
        "To whom is the {} addressed?",
        "What is the page number of the {}?",
        "What is the title of this {}?",
        "Which company issued the {}?",
        "What is the phone number given in the {}?",
        "What is the {} number?",
        "When was the {} received?",
        "What is the subject of the {}?",
        "What is the name given in the {}?",
    ),
    "Exact Match": (
        THINGS,
        "How many {}s are there?",
        "How many {}s can you see in the image?",
        "Count the {}s.",
        "How many red {}s?",
        "How many of the {}s are on the left?",
        "What is the number of {}s?",
        "Tell me how many {}s are visible.",
        "How many {}s are parked?",
        "Count all {}s in the picture.",
        "How many people stand near a {}?",
    ),
    "Captioning": (
        ("image", "picture", "photo", "scene"),
        "Describe the {}.",
        "Describe this {} in one sentence.",
        "Write a caption for this {}.",
        "Caption the {}.",
        "Give a short description of the {}.",
        "Provide a one-sentence caption for the {}.",
        "Describe what happens in this {}.",
        "Write one sentence that describes the {}.",
    ),
}
UNKNOWN = (
    "",
    "   \n",
    "!!!???",
    "1234567890",
    "xkjq 7f9z qqpl wvz",
    "def f(x):\n    return x + 1",
    "Write a Python function that reverses a linked list.",
    "SELECT name FROM users WHERE id = 3;",
    "¿De qué color es el coche?",
    "Welche Farbe hat das Auto?",
    "Combien de chiens y a-t-il ?",
    "图中有几只猫？",
    "Какого цвета машина?",
    "この画像を説明してください。",
    "https://example.com/index.html?q=1",
    "Hello, how are you today?",
    "Translate this sentence into French: I like trains.",
    "Prove that the square root of 2 is irrational.",
    "What should I cook for dinner tonight?",
    "Who won the world cup in 1998?",
    "Tell me a joke about cats",
    "Explain quantum entanglement to a five year old.",
    "Write a poem about autumn leaves.",
    "Summarize the plot of Hamlet in three bullet points.",
    "import numpy as np; print(np.zeros(3))",
)
GENERIC = ((3,), (3, 4))
BY_TASK_TYPE = {
    name: ((place,), (place, 9))
    for place, name in enumerate(("VQA", "Document QA", "Exact Match", "Captioning"))
}
DEFINITIONS = {
    name: planted_definition(name, prompt=f"{{question}}\n{{choices}}\nThis is {name}.")
    for name in QUESTIONS
}


def samples_of(
    questions: list[str], roles: list[str] | None = None, name: str = ""
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sample_id": [f"{name} {number}" for number in range(len(questions))],
            "role": roles or ["search"] * len(questions),
            "question": questions,
            "choices": pl.Series([[]] * len(questions), dtype=pl.List(pl.String)),
        }
    )


def questions_of(name: str) -> pl.DataFrame:
    """Return all questions of a task type as samples; every third is a holdout sample."""
    fillers, *openings = QUESTIONS[name]
    questions = []
    for filler in fillers:
        questions += [opening.format(filler) for opening in openings]
    roles = ["holdout" if place % 3 == 0 else "search" for place in range(len(questions))]
    return samples_of(questions, roles, name)


PROMPTS = prompts_of({name: questions_of(name) for name in QUESTIONS}, DEFINITIONS)


@pytest.fixture(scope="module")
def fitted() -> tuple[Router, pl.DataFrame]:
    return fit_router(PROMPTS, GENERIC, BY_TASK_TYPE)


@pytest.fixture(scope="module")
def router(fitted) -> Router:
    return fitted[0]


def test_few_plain_prompts_are_routed_wrongly(fitted):
    """Instructions of datasets tell the task type, and users do not type them."""
    _, table = fitted
    tried = table.filter(role="search").drop_nulls("detected")
    assert set(tried["form"]) == {"full", "plain"}
    routed = tried.filter("routed", form="plain")
    assert len(routed) > 0
    assert (routed["detected"] != routed["task_type"]).mean() <= MAX_ERROR


def test_prompts_of_one_wording_go_together():
    same = wordings(
        [
            "What color is the dog?",
            "what color is the CAT",
            "What color was the cat?",
            "Where is the dog?",
        ]
    )
    assert same[0] == same[1] == same[2] != same[3]
    assert len(set(wordings(["page 12?", "Page 34"]))) == 1
    assert len(set(wordings(["", "?", "is it", "is it not"]))) == 3


def test_both_forms_of_a_prompt_are_one_wording_and_choices_belong_to_the_question():
    samples = samples_of(["What is it?"]).with_columns(choices=pl.Series([["a cat", "a dog"]]))
    definition = planted_definition("MC", prompt="{question}\n{choices}\nGive the letter.")
    prompts = prompts_of({"a": samples}, {"a": definition})
    assert dict(prompts.select("form", "text").iter_rows()) == {
        "full": "What is it?\nA. a cat\nB. a dog\nGive the letter.",
        "plain": "What is it?\nA. a cat\nB. a dog",
    }
    assert prompts["wording"].n_unique() == 1


def test_it_is_known_which_holdout_wordings_were_seen():
    samples = samples_of(
        ["What color is the dog?", "What color is the cat?", "Where is it?"],
        ["search", *["holdout"] * 2],
    )
    prompts = prompts_of({"a": samples}, {"a": planted_definition("VQA", prompt="{question}")})
    assert prompts["seen"].to_list() == [True, True, False]


def test_unseen_wordings_are_told_apart_and_few_are_routed_wrongly(fitted):
    router, table = fitted
    unseen = table.filter(role="search")
    assert unseen["detected"].null_count() == 0
    right = unseen["detected"] == unseen["task_type"]
    assert right.mean() > 0.8
    assert unseen["routed"].mean() > 0.6
    assert 1 - right.filter(unseen["routed"]).mean() <= MAX_ERROR
    assert (table["routed"] == (table["confidence"] >= router.threshold)).all()


def test_a_detector_that_memorises_is_found_out():
    """Wordings of random words whose type is a coin: only who has seen the wording can know it."""
    rng = np.random.default_rng(0)
    words = [
        "".join(rng.choice(list("bdfgklmnprstvz" if at % 2 else "aeiou")) for at in range(6))
        for _ in range(400)
    ]
    texts, types = [], []
    for _ in range(60):
        opening, kind = " ".join(rng.choice(words, 4)), f"type {rng.integers(2)}"
        texts += [f"{opening} {filler}" for filler in THINGS]
        types += [kind] * len(THINGS)
    samples = {
        kind: samples_of([text for text, of in zip(texts, types, strict=True) if of == kind])
        for kind in set(types)
    }
    prompts = prompts_of(
        samples, {kind: planted_definition(kind, prompt="{question}") for kind in samples}
    )

    def accuracy(prompts: pl.DataFrame) -> tuple[float, float]:
        table = fit_router(prompts, GENERIC, {kind: ((1,), (1, 2)) for kind in samples})[1]
        return (table["detected"] == table["task_type"]).mean(), table["routed"].mean()

    right, routed = accuracy(prompts)
    assert right < 0.65
    assert routed < 0.1
    assert accuracy(prompts.with_columns(wording=pl.int_range(pl.len(), dtype=pl.Int32)))[0] > 0.95


@pytest.mark.parametrize("prompt", UNKNOWN)
def test_unknown_kinds_of_prompts_take_the_generic_list(router, prompt):
    route = router.route(prompt, size=2)
    assert (route.source, route.blocks) == ("generic", (3, 4)), route


@pytest.mark.parametrize(
    ("prompt", "task_type"),
    [
        ("What color is the umbrella?", "VQA"),
        ("what is the date of this invoice?", "Document QA"),
        ("How many horses are there?", "Exact Match"),
        ("Describe this picture.", "Captioning"),
    ],
)
def test_known_kinds_take_the_list_of_their_task_type(router, prompt, task_type):
    route = router.route(prompt, size=2)
    assert (route.task_type, route.source) == (task_type, "task")
    assert route.blocks == BY_TASK_TYPE[task_type][1]
    assert router.threshold <= route.confidence <= 1
    assert router.route(prompt).blocks == BY_TASK_TYPE[task_type][0]


def test_a_size_without_a_list_is_refused(router):
    for size in (0, 3):
        with pytest.raises(DataError, match="sizes go from 1 to 2"):
            router.route("", size=size)


def test_it_computes_what_scikit_learn_computes(router):
    counts = (
        PROMPTS.filter(role="search").group_by("task_type", "text").len().sort("task_type", "text")
    )
    weights = counts.select(pl.col("len") / pl.sum("len").over("task_type")).to_series().to_numpy()
    vectors = TfidfVectorizer(analyzer=n_grams)
    matrix = vectors.fit_transform(counts["text"])
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    model.fit(matrix, counts["task_type"], counts["len"].sum() / 4 * weights)
    for prompt in ("What color is the zebra?", "Count the memos.", "Who signed it?"):
        probabilities = model.predict_proba(vectors.transform([prompt]))[0]
        highest = probabilities.max()
        detection = router.detect(prompt)
        assert detection.task_type == model.classes_[probabilities.argmax()]
        assert detection.margin == pytest.approx(np.log(highest / (1 - highest)), abs=1e-3)


def test_the_file_gives_the_same_router_and_the_same_bytes(router, tmp_path):
    router.save(tmp_path / "router.json")
    again = Router.load(tmp_path / "router.json")
    again.save(tmp_path / "again.json")
    fit_router(PROMPTS, GENERIC, BY_TASK_TYPE)[0].save(tmp_path / "anew.json")
    written = [(tmp_path / f"{name}.json").read_bytes() for name in ("router", "again", "anew")]
    assert written[0] == written[1] == written[2]
    assert all(
        again.route(prompt, 2) == router.route(prompt, 2) for prompt in (*UNKNOWN, *PROMPTS["text"])
    )


def test_it_loads_without_the_workflow_and_its_packages(router, tmp_path):
    router.save(tmp_path / "router.json")
    check = (
        "import sys; from blocksieve.routing import Router\n"
        f"router = Router.load({str(tmp_path / 'router.json')!r})\n"
        "route = router.route('How many horses are there?')\n"
        "assert route.source == 'task', route\n"
        "packages = {'torch', 'transformers', 'snakemake', 'sklearn', 'polars', 'joblib'}\n"
        "unwanted = packages & set(sys.modules)\n"
        "sys.exit(', '.join(unwanted) or 0)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda content: content | {"format": "another"}, "format"),
        (lambda content: {key: value for key, value in content.items() if key != "idf"}, "idf"),
        (lambda content: content | {"idf": content["idf"][:-1]}, "vocabulary and idf"),
        (lambda content: content | {"coefficients": content["coefficients"][1:]}, "reshape"),
        (lambda content: content | {"intercepts": [None, 0, 0, 0]}, "finite"),
        (lambda content: content | {"generic": [[4, 3]]}, "list"),
        (lambda content: content | {"generic": []}, "generic"),
        (lambda content: content | {"threshold": "high"}, "float"),
        (lambda content: content | {"more": 1}, "more"),
        (lambda content: list(content), "format"),
    ],
)
def test_another_or_a_damaged_file_is_refused_in_one_line(router, tmp_path, change, fault):
    path = tmp_path / "router.json"
    router.save(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=fault) as refused:
        Router.load(path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04\x95", b'{"format": "blocksieve router 1", "ty']
)
def test_what_is_no_json_is_refused(tmp_path, content):
    path = tmp_path / "router.json"
    path.write_bytes(content)
    for name in (path, tmp_path / "missing.json"):
        with pytest.raises(DataError, match="not a router"):
            Router.load(name)


def test_holdout_prompts_decide_nothing(router):
    """Neither their text, which here joins wordings of search samples, nor their type."""
    joint = (
        "What color is the {}?",
        "What number is the {}?",
        "What number is the",
        "How many of the reds are there?",
    )
    samples = {name: questions_of(name) for name in QUESTIONS}
    held_out = sum((table["role"] == "holdout").sum() for table in samples.values())
    others = (
        pl.concat(samples.values())
        .filter(role="holdout")
        .with_columns(question=pl.Series([joint[place % 4] for place in range(held_out)]))
    )
    search = {name: table.filter(role="search") for name, table in samples.items()}
    scrambled = prompts_of(
        search | {"Captioning": pl.concat([search["Captioning"], others])}, DEFINITIONS
    )
    again = fit_router(scrambled, GENERIC, BY_TASK_TYPE)[0]
    assert again.vocabulary == router.vocabulary
    assert np.array_equal(again.coefficients, router.coefficients)
    rules = ("slope", "offset", "min_familiarity", "threshold")
    assert [getattr(again, name) for name in rules] == [getattr(router, name) for name in rules]


@pytest.mark.parametrize("right", [np.ones(40, bool), np.zeros(40, bool), np.arange(40) > 10])
def test_confidence_is_calibrated_and_never_certain(right):
    margins = np.linspace(-2, 5, 40)
    slope, offset = calibrated(margins, right)
    confidence = 1 / (1 + np.exp(-slope * margins - offset))
    assert slope >= 0
    assert confidence.mean() == pytest.approx(right.mean(), abs=0.03)
    assert 0 < confidence.min() <= confidence.max() < 1


def test_combinations_are_what_the_search_chose():
    drops = {"a": {(0,): 0.4, (1,): 0.1, (2,): 0.0}, "b": {(0,): 0.2, (1,): 0.0, (2,): 0.3}}
    together = {
        "a": {(0, 1): 0.0, (0, 2): 0.5, (1, 2): 0.2},
        "b": {(0, 1): 0.1, (0, 2): 0.5, (1, 2): 0.0},
    }
    planted = {name: drops[name] | together[name] for name in drops}
    evidence = planted_evidence(planted_evaluations(planted, dict(a=1.0, b=1.0)))
    chosen = choose(evidence)
    generic, task_types = combinations_by_task_type(chosen)
    assert generic == ((1,), (0, 1))
    assert task_types == {"type 0": ((2,), (0, 1)), "type 1": ((1,), (1, 2))}
    gap = [choice for choice in chosen if choice.size != 1]
    assert combinations_by_task_type(gap) == ((), {"type 0": (), "type 1": ()})


# Planted truth: of one block VQA can spare 0 and Document QA 1, each needs the other's, and 3 is
# the compromise. Of two blocks all combinations cost the same.
DROPS = {"3": 0.12, "own": 0.02, "other": 0.4, "3-4": 0.2, "0-9": 0.2, "1-9": 0.2}
ALIKE = dict.fromkeys(DROPS, 0.1)
BASELINE, SAMPLES = 0.8, 400
DATASETS = {f"dataset {number}": ("VQA", "Document QA")[number % 2] for number in range(4)}


def planted_scores(drops: dict[str, float]) -> pl.DataFrame:
    """Return a shard of holdout samples, each its own cluster; drops turn right answers wrong."""
    rng, tables = np.random.default_rng(1), []
    for dataset, task_type in DATASETS.items():
        right = rng.random(SAMPLES) < BASELINE
        ids = [f"{dataset} {place}" for place in range(SAMPLES)]
        for name in ("none", "0", "1", "3", "3-4", "0-9", "1-9"):
            own = "own" if name == str(list(BY_TASK_TYPE).index(task_type)) else "other"
            drop = 0.0 if name == "none" else drops.get(name, drops[own])
            scores = (right & (rng.random(SAMPLES) >= drop / BASELINE)).astype(np.float32)
            about = {
                "dataset": dataset,
                "combination": name,
                "split": "validation",
                "role": "holdout",
            }
            table = pl.DataFrame({"sample_id": ids, "cluster": ids, "score": scores})
            tables.append(
                table.with_columns(**{key: pl.lit(value) for key, value in about.items()})
            )
    return pl.concat(tables)


def planted_pairs(drops: dict[str, float]) -> pl.DataFrame:
    """Return the planted samples with their baseline, as `shards.paired` gives them."""
    scores = planted_scores(drops).with_columns(pl.col("score").cast(pl.Float64))
    baseline = scores.filter(combination="none").select("sample_id", baseline="score")
    pairs = scores.join(baseline, on="sample_id")
    return pairs.with_columns(drop=pl.col("baseline") - pl.col("score"))


def planted_detections(table: pl.DataFrame) -> pl.DataFrame:
    """What the router says of so many holdout prompts a dataset."""
    tables = []
    for number, (dataset, task_type) in enumerate(DATASETS.items()):
        drawn = table.filter(role="holdout", task_type=task_type, form="plain")
        drawn = drawn.sample(SAMPLES, with_replacement=True, seed=number)
        ids = pl.Series([f"{dataset} {place}" for place in range(SAMPLES)])
        tables.append(drawn.with_columns(dataset=pl.lit(dataset), sample_id=ids))
    return pl.concat(tables)


def planted_document(fitted, drops: dict[str, float], **lists) -> tuple[dict, pl.DataFrame]:
    """The analysis of a run with these drops, and what the router said of its prompts."""
    own = {
        "generic": GENERIC,
        "task_types": {name: BY_TASK_TYPE[name] for name in ("VQA", "Document QA")},
    }
    router, detections = replace(fitted[0], **own | lists), planted_detections(fitted[1])
    evaluations = planted_evaluations(
        {name: {(3,): 0.1} for name in DATASETS}, dict.fromkeys(DATASETS, BASELINE)
    )
    document = analyse(
        planted_evidence(evaluations),
        router=router,
        detections=pl.concat([fitted[1], detections]),
        finalist_samples=planted_pairs(drops).lazy(),
    )
    jsonschema.validate(document, SCHEMA)
    return document, detections


SCHEMA = json.loads(
    resources.files("blocksieve.analysis").joinpath("routing.schema.json").read_text()
)


def said(document: dict) -> str:
    return " ".join(findings_of_routing(document, "%"))


def test_the_planted_gain_comes_back(fitted):
    document, detections = planted_document(fitted, DROPS)
    one, two = document["sizes"]
    own = detections.filter("routed", pl.col("detected").is_in(["VQA", "Document QA"]))
    rightly = len(own.filter(pl.col("detected") == pl.col("task_type"))) / len(detections)
    wrongly = len(own) / len(detections) - rightly
    assert rightly > 0.5
    assert one["hybrid"]["changed"] == pytest.approx(rightly + wrongly)
    truth = {"generic": 0.12, "task": 0.02, "possible": 0.1, "gain": 0.1 * rightly - 0.28 * wrongly}
    for name, drop in truth.items():
        assert one[name]["low"] < 100 * drop / BASELINE < one[name]["high"], name
    assert one["hybrid"]["drop"] == pytest.approx(one["generic"]["drop"] - one["gain"]["drop"])
    assert one["gain"]["q"] < 0.001
    assert two["gain"]["low"] < 0 < two["gain"]["high"]
    assert "With 1 block removed, picking the list by the prompt loses" in said(document)
    assert "With 2 blocks" not in said(document)


def test_where_all_lists_cost_the_same_no_gain_is_claimed(fitted):
    document, _ = planted_document(fitted, ALIKE)
    assert all(entry["gain"]["q"] > 0.05 for entry in document["sizes"])
    assert said(document).startswith("Picking the list by the prompt is not shown")
    same, _ = planted_document(fitted, DROPS, task_types={"VQA": GENERIC, "Document QA": GENERIC})
    for entry in same["sizes"]:
        assert [entry["gain"][key] for key in ("drop", "low", "high", "changed", "q")] == [
            0,
            0,
            0,
            0,
            1,
        ]


def test_a_size_with_a_list_that_was_not_measured_is_left_out(fitted):
    router = replace(fitted[0], generic=GENERIC, task_types=BY_TASK_TYPE)
    pairs = planted_pairs(DROPS).filter(
        pl.col("dataset") == "dataset 0", pl.col("combination") != "0-9"
    )
    prompts = planted_detections(fitted[1]).filter(dataset="dataset 0")
    sums = policy_sums(pairs, prompts, router)
    policies = ("generic", "task", "hybrid", "gain", "possible")
    assert set(sums.select("policy", "size").rows()) == {(policy, 1) for policy in policies}


def test_what_is_missing_is_said_in_a_sentence(fitted):
    evaluations = planted_evaluations({"a": {(1,): 0.1}}, {"a": 1.0})
    one_type = fit_router(PROMPTS.filter(task_type="VQA"), GENERIC, BY_TASK_TYPE)
    one_wording = fit_router(
        PROMPTS.with_columns(wording=pl.col("task_type").rank("dense").cast(pl.Int32)),
        GENERIC,
        BY_TASK_TYPE,
    )
    two_types = fit_router(PROMPTS.filter(role="search"), GENERIC, BY_TASK_TYPE)
    search_only = planted_evidence(evaluations.filter(role="search"))
    cases = [(analyse(planted_evidence(evaluations)), NO_SAMPLES)]
    fits = ((one_type, ONE_TYPE), (one_wording, UNTRIED), (two_types, NO_HOLDOUT))
    for (router, detections), note in fits:
        cases.append((analyse(search_only, router=router, detections=detections), note))
    for document, note in cases:
        jsonschema.validate(document, SCHEMA)
        assert note in document["notes"]
        assert note in " ".join(sections(document, "%")[0].notes)
        draw(document, "relative").to_dict()
    for router, table in (one_type, one_wording):
        assert router.route("What color is the umbrella?").source == "generic"
        assert not table["routed"].fill_null(False).any()


def test_with_one_task_type_nothing_is_found(fitted):
    document, _ = planted_document(fitted, ALIKE)
    assert "not shown to lose less" in said(document)
    assert said(document | {"detection": None}) == ""


def test_report_and_figure_show_the_numbers(fitted):
    document, _ = planted_document(fitted, DROPS)
    detection, drops = sections(document, "%")
    assert [row[0] for row in detection.rows] == [
        "Captioning",
        "Document QA",
        "Exact Match",
        "VQA",
        "all",
    ]
    assert drops.rows[0][1] == f"{document['sizes'][0]['generic']['drop']:+.2f}"
    spec = draw(document, "relative").to_dict()
    assert len(spec["concat"]) == 6
