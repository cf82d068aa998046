"""The source `columns`: a dataset of the hub, or local files; columns are mapped to samples."""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blocksieve.datasets.pictures import check_picture, picture_bytes, upright_png
from blocksieve.datasets.prompts import LETTERS
from blocksieve.datasets.rows import Cell, Row, read_rows
from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.errors import ConfigError, DataError
from blocksieve.specs import Source

FIELD = re.compile(r"\{([^{}]+)\}")
"""A column's place in the template of questions."""

WHOLE_NUMBER = re.compile(r"[0-9]+")


@dataclass
class Readings:
    """What is remembered from row to row while a split is read.

    `pictures`: what must change of a picture, or what is wrong with it, by its hash.
    `text_answers`: with choices, the first answer that is a letter or text, and the first that is
    an index as text.
    """

    pictures: dict[bytes, tuple[str, ...] | DataError] = field(default_factory=dict)
    text_answers: dict[str, str] = field(default_factory=dict)

    def check_form(self, answer: str, read: str, column: str) -> None:
        """ConfigError if a column of answers has letters or texts, and indices as text."""
        form = "a letter or text" if answer == read else "an index as text"
        self.text_answers.setdefault(form, answer)
        if len(self.text_answers) > 1:
            forms = " and ".join(f"{form} ({first!r})" for form, first in self.text_answers.items())
            raise ConfigError(
                f"source columns: column {column!r} holds {forms}, so that nobody can tell what"
                " a number means; give letters or texts only, or indices from 0 only"
            )


def read(source: Source, split: str) -> Iterator[Sample | Unusable]:
    """Yield all samples of a split in its order, as config/schema.yaml says of `source`.

    Raises DataError if nothing can be read at all, ConfigError if a column is missing.
    """
    readings = Readings()
    num_rows = 0
    any_wanted = False
    row: Row = {}
    for place, content in expand_rows(read_rows(source, split), source):
        if isinstance(content, DataError):
            yield Unusable(split, place, str(content))
            continue
        row = content
        if num_rows == 0:
            check_columns(source, row)
        num_rows += 1
        try:
            if not is_wanted(source, row):
                continue
            any_wanted = True
            yield to_sample(source, row, split, place, readings)
        except DataError as error:
            any_wanted = True
            yield Unusable(split, place, str(error))
    if num_rows and not any_wanted:
        raise ConfigError(
            f"source columns: none of the {num_rows} rows of split {split!r} is as"
            f" where ({source['where']}) wants; the last has"
            f" {[cell_at(row, path) for path in source['where']]}"
        )


def is_wanted(source: Source, row: Row) -> bool:
    """Tell whether a row has the values that `where` wants, compared as texts."""
    for path, wanted in source.get("where", {}).items():
        if as_text(cell_at(row, path), path) != as_text(wanted, path):
            return False
    return True


def expand_rows(rows: Iterator[Row], source: Source) -> Iterator[tuple[str, Row | DataError]]:
    """Yield each row with its place, its number from 0.

    If the source has `each`, yield a row once for every struct in that column, whose keys become
    columns; the place is then such as "3.0". Of a row without structs yield what is wrong.
    """
    column = source.get("each")
    for number, row in enumerate(rows):
        if column is None:
            yield str(number), row
            continue
        if column not in row:
            raise missing_column(column, row)
        try:
            structs = structs_of(row[column])
        except ValueError:
            yield str(number), DataError(f"column {column!r} holds lists of different lengths")
            continue
        for position, struct in enumerate(structs):
            if not isinstance(struct, dict):
                raise ConfigError(
                    f"source columns: column {column!r} holds no structs; do without each"
                )
            yield f"{number}.{position}", row | struct


def structs_of(cell: Cell) -> list[Cell]:
    """Return the entries of a list of structs, which may be stored as a struct of lists.

    ValueError if these differ in length.
    """
    if not isinstance(cell, dict):
        return [] if cell is None else as_list(cell)
    if not all(isinstance(values, list) for values in cell.values()):
        return [cell]
    structs = []
    for values in zip(*cell.values(), strict=True):
        struct = dict(zip(cell, values, strict=True))
        structs.append(struct)
    return structs


def check_columns(source: Source, row: Row) -> None:
    """Raise ConfigError that names the first column which the source wants and the row lacks."""
    paths = FIELD.findall(source["question"])
    for key in ("images", "references", "choices", "cluster"):
        paths += as_list(source.get(key, []))
    paths += source.get("where", {})
    for path in paths:
        column = path.split(".")[0]
        if path in row or column in row:
            continue
        raise missing_column(path, row)


def missing_column(path: str, row: Row) -> ConfigError:
    """Return the error that names a missing column and those that are there."""
    columns = ", ".join(row)
    return ConfigError(f"source columns: no column {path!r}; there are {columns}")


def to_sample(source: Source, row: Row, split: str, place: str, readings: Readings) -> Sample:
    """Map one row to a sample; `readings` is looked up and added to.

    Raises DataError that says what the row lacks.
    """
    question = question_of(source, row)
    choices = choices_of(source, row)
    references = references_of(source, row, choices, readings)
    images = []
    changes: dict[str, None] = {}
    for image in images_of(source, row):
        picture_changes = look_at(image, readings)
        changes |= dict.fromkeys(picture_changes)
        images.append(upright_png(image) if picture_changes else image)
    cluster = cell_at(row, source["cluster"]) if "cluster" in source else None
    if cluster is None or cluster == "":
        digests = [hashlib.sha256(image).digest() for image in images]
        content = b"".join(digests) or question.encode()
        cluster = hashlib.sha256(content).hexdigest()[:16]
    return Sample(
        question=question,
        references=tuple(references),
        cluster=as_text(cluster, source.get("cluster", "")),
        split=split,
        choices=choices,
        images=tuple(images),
        row=place,
        changes=tuple(changes),
    )


def look_at(image: bytes, readings: Readings) -> tuple[str, ...]:
    """Return what must change of a picture; DataError if it is broken. Each is decoded once."""
    digest = hashlib.sha256(image).digest()
    if digest not in readings.pictures:
        try:
            readings.pictures[digest] = check_picture(image)
        except DataError as error:
            readings.pictures[digest] = error.with_traceback(None)
    changes = readings.pictures[digest]
    if isinstance(changes, DataError):
        raise DataError(str(changes))
    return changes


def question_of(source: Source, row: Row) -> str:
    """Fill the columns into the template of questions."""
    template = source["question"]
    filled_in = FIELD.sub(lambda match: as_text(cell_at(row, match[1]), match[1]), template)
    question = filled_in.strip()
    if not question:
        raise DataError("no question")
    return question


def images_of(source: Source, row: Row) -> tuple[bytes, ...]:
    """Return every picture of the image columns, which may hold one, a list, or nothing.

    Raises DataError if there are image columns, but no picture.
    """
    cells: list[Cell] = []
    paths = as_list(source.get("images", []))
    for path in paths:
        cells += as_list(cell_at(row, path))
    dataset_folder = Path(source["path"])
    image_folder = Path(source.get("image_folder", dataset_folder))
    folder = image_folder if image_folder.is_dir() else None
    linked = (dataset_folder,) if dataset_folder.is_dir() else ()
    images = [picture_bytes(cell, folder, linked) for cell in cells if cell is not None]
    if paths and not images:
        raise DataError("no picture")
    return tuple(images)


def choices_of(source: Source, row: Row) -> tuple[str, ...]:
    """Return a row's choices as texts; an empty one before another stays, so that no letter moves.

    Raises DataError if there are too few or too many.
    """
    choices = []
    for cell in choice_cells(source, row):
        text = as_text(cell, ", ".join(as_list(source["choices"])))
        choices.append(text if text.strip() else "")
    while choices and not choices[-1]:
        choices.pop()
    num_choices = len(choices) - choices.count("")
    if "choices" in source and (num_choices < 2 or len(choices) > len(LETTERS)):
        raise DataError(f"{num_choices} choices; 2 to {len(LETTERS)} are possible")
    return tuple(choices)


def choice_cells(source: Source, row: Row) -> list[Cell]:
    """Return a row's choices as they are stored; none if the source has no choices.

    They are one from each of a list of columns; or what one column holds: a list, the values of a
    struct, or the text of a list in Python or JSON.
    """
    stored = stored_choices(source, row)
    return list(by_key(stored).values()) if isinstance(stored, dict) else as_list(stored)


def choice_keys(source: Source, row: Row) -> list[str]:
    """Return the keys of a row's choices, in their order; none where they are no struct."""
    stored = stored_choices(source, row)
    return list(by_key(stored)) if isinstance(stored, dict) else []


def stored_choices(source: Source, row: Row) -> Cell:
    """Return a row's choices as one list or struct; an empty list if the source has none."""
    if "choices" not in source:
        return []
    paths = source["choices"]
    if isinstance(paths, list):
        return [cell_at(row, path) for path in paths]
    cell = cell_at(row, paths)
    return parse_list(cell) if isinstance(cell, str) else cell


def by_key(struct: dict[str, Cell]) -> dict[str, Cell]:
    """Return a struct's values by plain keys; if these are letters, each at its letter's place."""
    values = {plain_key(key): value for key, value in struct.items()}
    if len(values) < len(struct):
        return struct
    has_letters = all(len(key) == 1 and key in LETTERS for key in values)
    if not struct or not has_letters:
        return values
    last = max(LETTERS.index(key) for key in values)
    return {letter: values.get(letter) for letter in LETTERS[: last + 1]}


def plain_key(key: str) -> str:
    """Return a choice's key as answers are compared with it: `(b)` as B."""
    return key.strip(" ()[].:").upper()


def parse_list(text: str) -> Cell:
    """Read the text of a list or struct in Python or JSON."""
    for parse in (ast.literal_eval, json.loads):
        try:
            parsed = parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(parsed, list | tuple | dict):
            return list(parsed) if isinstance(parsed, tuple) else parsed
    raise DataError(f"choices that are no list: {text[:80]!r}")


def references_of(
    source: Source, row: Row, choices: tuple[str, ...], readings: Readings
) -> list[str]:
    """Return the accepted answers as texts; with choices, an index becomes the choice's letter.

    A number is an index from 0. Only where a choice is stored as the same number, it may also mean
    that one, as a text may. Where choices are a struct, an answer that is a key means its choice.
    """
    path = source["references"]
    number_choices = [cell for cell in choice_cells(source, row) if is_number(cell)]
    keys = choice_keys(source, row)
    references = []
    for answer in answers_of(cell_at(row, path)):
        if answer is None:
            continue
        text = as_text(answer, path)
        if not choices or not text.strip():
            references.append(text)
        elif plain_key(text) in keys:
            references.append(read_key(text, keys, choices))
            readings.check_form(text, text, path)
        elif is_number(answer) and answer not in number_choices:
            references.append(letter_of_index(text, choices))
        else:
            reference = read_answer(text, choices)
            readings.check_form(text, reference, path)
            references.append(reference)
    if not any(reference.strip() for reference in references):
        raise DataError("no answer")
    return references


def answers_of(cell: Cell) -> list[Cell]:
    """Return a cell's answers; the text of a list of texts, as tables have it, is that list."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            answers = parse_list(cell)
        except DataError:
            return [cell]
        if isinstance(answers, list) and all(isinstance(answer, str) for answer in answers):
            return answers
    return as_list(cell)


def read_key(answer: str, keys: list[str], choices: tuple[str, ...]) -> str:
    """Return the letter of the choice with a key.

    DataError if that choice is empty, or the answer is another's text.
    """
    index = keys.index(plain_key(answer))
    if not choices[index:] or not choices[index]:
        raise DataError(f"answer {answer!r} means an empty choice")
    for other, choice in enumerate(choices):
        if other != index and choice.strip() == answer.strip():
            raise DataError(f"answer {answer!r} is the key of one choice and the text of another")
    return letter_of_index(str(index), choices)


def is_number(cell: Cell) -> bool:
    """Tell whether a cell holds a number, which true and false are not."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def letter_of_index(text: str, choices: tuple[str, ...]) -> str:
    """Return the letter of an index from 0, with the choice's text where that makes it clear.

    DataError if there is no such choice.
    """
    index = int(text) if WHOLE_NUMBER.fullmatch(text) else -1
    if not 0 <= index < len(choices):
        raise DataError(f"answer {text} is not the index of one of {len(choices)} choices")
    if not choices[index]:
        raise DataError(f"answer {text} is the index of an empty choice")
    letter = LETTERS[index]
    texts = [choice.strip().upper() for choice in choices]
    # Where another choice's text is this letter, the letter alone would name both.
    is_clear = letter not in texts or texts.index(letter) == index
    return letter if is_clear else f"{letter}. {choices[index]}"


def read_answer(answer: str, choices: tuple[str, ...]) -> str:
    """Return an answer so that it means one choice, whatever the texts of the choices are.

    It may be a letter, the text of a choice, or an index from 0 as text, which becomes the letter.
    DataError if it may mean two choices, or an empty one. Any other text is left to the metric.
    """
    text = answer.strip()
    letters = LETTERS[: len(choices)]
    meant = {index for index, choice in enumerate(choices) if plain(choice) == plain(text)}
    is_text = bool(meant)
    if len(text) == 1 and text.upper() in letters:
        meant.add(letters.index(text.upper()))
    number = plain(text)
    is_index = bool(WHOLE_NUMBER.fullmatch(number))
    if is_index and int(number) < len(choices):
        meant.add(int(number))
    if len(meant) > 1:
        named = " or ".join(f"{LETTERS[index]} ({choices[index]})" for index in sorted(meant))
        raise DataError(f"answer {answer!r} may mean {named}; give the index from 0 as a number")
    for index in meant:
        if not choices[index]:
            raise DataError(f"answer {answer!r} means an empty choice")
    return letter_of_index(number, choices) if is_index and not is_text else answer


def plain(text: str) -> str:
    """Return a text as it is compared: a whole number has neither decimals nor leading zeros."""
    text = text.strip()
    number = text.removesuffix(".0")
    return str(int(number)) if WHOLE_NUMBER.fullmatch(number) else text


def cell_at(row: Row, path: str) -> Cell:
    """Return what stands at a dotted path of a row; within a list, what stands there in each."""
    if path in row:
        return row[path]
    cell: Cell = row
    for key in path.split("."):
        if cell is None:
            return None
        try:
            cell = [entry[key] for entry in cell] if isinstance(cell, list) else cell[key]
        except (KeyError, TypeError) as error:
            raise DataError(f"no {path!r}") from error
    return cell


def as_text(cell: Cell, path: str) -> str:
    """Return a cell as text: nothing is empty, and a whole number has no decimals.

    DataError that names the column for a list, a struct and bytes, which have no text, and for half
    a character (a surrogate without its other half), which neither files nor tokenizers hold.
    """
    if isinstance(cell, list | dict | bytes):
        kind = {list: "a list", dict: "a struct", bytes: "bytes"}[type(cell)]
        raise DataError(
            f"column {path!r} holds {kind}, not a text or number; name a key in it as"
            f" {path}.KEY, or another column"
        )
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"column {path!r} holds half a character, {text[error.start]!a}, at place {error.start}"
        ) from None
    return text


def as_list(cell: Cell) -> list[Cell]:
    """Return a list as it is, anything else as its only entry."""
    return cell if isinstance(cell, list) else [cell]
