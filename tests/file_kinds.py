"""A sample of every file that declares the number of its format, and what each gets that is older, newer or damaged.

`python tests/file_kinds.py` prints what is said of each, in full; docs/versions.md has the table in short.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

import zooactive as za
from zooactive.acquisition.allocation import look_files
from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue.cutouts import fetch
from zooactive.catalogue.cutouts.request import CutoutRequest
from zooactive.catalogue.cutouts.services import load_service
from zooactive.catalogue.cutouts.sizes import CutoutSize
from zooactive.cli.run import SUMMARY_FORMAT
from zooactive.foundation import formats
from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.metadata import about_of, with_about
from zooactive.foundation.parts_folder import JOURNAL_FORMAT
from zooactive.labels import Ledger, ledger
from zooactive.loop import rounds
from zooactive.loop.labelling import journal
from zooactive.loop.labelling.session import Session
from zooactive.models import load_draws, saved_form
from zooactive.models.head import draws
from zooactive.models.number_model import load_number_model
from zooactive.posterior import files as posterior_files
from zooactive.prediction import Embeddings, numbers, open_predictions
from zooactive.training import run_folder
from zooactive.training.finetuning import finetuned_model, finetuned_numbers
from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers, load_numbers
from zooactive.training.finetuning.tasks import NumberTask

OLD = Path(__file__).parent / "old_files"
"""As commit e519ca2 wrote them."""

BEFORE = Path(__file__).parent / "fixtures"
"""As commit 1857f61 wrote them, the last before they declared a number."""

KNOWN = {
    "model": saved_form.FORMAT,
    "model on embeddings": saved_form.EMBEDDINGS_FORMAT,
    "model of a number": saved_form.NUMBERS_FORMAT,
    "draws": draws.FORMAT,
    "training": run_folder._FORMAT,
    "task": finetuned_model._FORMAT,
    "task of a number": finetuned_numbers._FORMAT,
    "predictions": JOURNAL_FORMAT,
    "predictions of a number": numbers._FORMAT,
    "posterior": posterior_files.FORMAT,
    "shards": formats.SHARDS,
    "classifications": ledger._FORMAT,
    "rounds": rounds._FORMAT,
    "cutouts": fetch._FORMAT,
    "tables of results": formats.RESULTS,
    "looks of a plan": look_files.FORMAT,
    "labels of one's own": journal.FORMAT,
    "summary": SUMMARY_FORMAT,
}
"""The latest number of each kind, by the names in docs/versions.md."""


@dataclass(frozen=True)
class Sample:
    """A file as an older version wrote it, without a number or with its own, and what reads it."""

    old: Callable[[Path], Path]
    read: Callable[[Path], Any]
    declare: Callable[[Path, Any], None]
    """Writes another number into it."""
    file: str = ""
    """Which is damaged."""
    kind: str = ""
    """Of `KNOWN`, where its name is another."""


def copied(name: str, place: Path = OLD) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        target = folder / Path(name).name
        (shutil.copytree if (place / name).is_dir() else shutil.copy)(place / name, target)
        return target

    return make


def in_json(name: str) -> Callable[[Path, Any], None]:
    def declare(place: Path, number: Any) -> None:
        file = place / name if place.is_dir() else place.with_name(name)
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format": number}))

    return declare


def in_parquet(place: Path, number: Any) -> None:
    for file in [place] if place.is_file() else place.glob("part-*.parquet"):
        table = pq.read_table(file)
        pq.write_table(with_about(table, about_of(table.schema) | {"format": number}), file)


def in_result(place: Path, number: Any) -> None:
    table = pq.read_table(place)
    about = json.dumps({"kind": "votes", "format": number})
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), "zooactive_result": about}), place)


def in_fits(place: Path, number: Any) -> None:
    from astropy.io import fits

    with fits.open(place, mode="update") as hdus:
        hdus[1].header[formats.FITS_KEY] = number


def in_votable(place: Path, number: Any) -> None:
    text = place.read_text()
    info = f'<INFO name="{formats.VOTABLE_KEY}" value="{number}"/>'
    place.write_text(text.replace("<DATA>", f"{info}<DATA>", 1))  # before the rows, as the standard wants it


def in_lines(place: Path, number: Any) -> None:
    file = place / "answers.jsonl"
    file.write_text(json.dumps({"format": number}) + "\n" + file.read_text())


def beside(place: Path, number: Any) -> None:
    how = place.with_name(f"{place.name}.how.json")
    how.write_text(json.dumps({"command": "catalogue", "options": {}, "inputs": {}, "format": number}))


def in_ledger(place: Path, number: Any) -> None:
    table = pq.read_table(place / "classifications.parquet")
    about = {**table.schema.metadata, b"format": str(number).encode()}
    pq.write_table(table.replace_schema_metadata(about), place / "classifications.parquet")


def in_npz(place: Path, number: Any) -> None:
    arrays = dict(np.load(place))
    about = json.loads(str(arrays.pop("about"))) | {"format": number}
    np.savez(place, about=np.array(json.dumps(about)), **arrays)


def old_selection(folder: Path) -> Path:
    path = copied("selection.csv")(folder)
    (folder / "selection.csv.how.json").write_text(json.dumps({"command": "acquire", "options": {}, "inputs": {}}))
    return path


def old_posterior(folder: Path) -> Path:
    posterior = open_predictions(OLD / "predictions").posterior()
    za.write_posterior(posterior, folder / "posterior.parquet")
    table = pq.read_table(folder / "posterior.parquet")
    about = {name: value for name, value in about_of(table.schema).items() if name != "format"}
    pq.write_table(with_about(table, about), folder / "posterior.parquet")
    return folder / "posterior.parquet"


def old_head(folder: Path) -> Path:
    return Path(shutil.copy(OLD / "predictions" / "head.npz", folder / "head.npz"))


def old_training(folder: Path) -> Path:
    """A run that was begun before its state had a number."""
    state = {"fingerprint": "f", "start": "s", "finished": False, "epochs": [], "writes": 0}
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "state.json").write_text(json.dumps(state))
    return folder


def open_training(folder: Path) -> run_folder.TrainingRun:
    run = run_folder.TrainingRun(folder, "f", SimpleNamespace(), 1, lambda epochs: "f")  # type: ignore[arg-type]
    run.open(SimpleNamespace(fingerprint=lambda: "s"))  # type: ignore[arg-type]
    return run


def open_rounds(folder: Path) -> rounds.Loop:
    galaxies = za.read_catalogue(OLD / "shards")
    learner = SimpleNamespace(tree=galaxies.tree)
    return rounds.Loop(folder, learner, galaxies, config=rounds.LoopConfig())  # type: ignore[arg-type]


def old_rounds(folder: Path) -> Path:
    """Rounds of the tree of the old shards, begun before there was a number."""
    open_rounds(folder / "loop")
    file = folder / "loop" / "loop.json"
    file.write_text(json.dumps({name: value for name, value in json.loads(file.read_text()).items() if name != "format"}))
    return folder / "loop"


GALAXIES = 60
EMBEDDINGS = Embeddings(
    np.array([f"g{number:02d}" for number in range(GALAXIES)], dtype=object),
    np.random.default_rng(0).normal(size=(GALAXIES, 4)).astype(np.float32),
    encoder="mine",
)


@functools.cache
def learnt(kind: str) -> Any:
    """Learn a question, or a number, from embeddings."""
    first = EMBEDDINGS.features[:, 0]
    labels = pd.DataFrame({"id": EMBEDDINGS.ids, "mass": 10 + first, "ring": np.where(first > 0, "yes", "no")})
    with tempfile.TemporaryDirectory() as folder:
        labels.to_csv(Path(folder) / "labels.csv", index=False)
        task = NumberTask("mass", "mass") if kind == "number" else "rings"
        return za.finetune(None, Path(folder) / "labels.csv", task=task, embeddings=EMBEDDINGS, progress=None)


def saved(kind: str, *inside: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        learnt(kind).save(folder / "task")
        return folder.joinpath("task", *inside)

    return make


def predicted_numbers(folder: Path) -> Path:
    tuned: FinetunedNumbers = learnt("number")
    numbers.predict_numbers(tuned.model, EMBEDDINGS, folder / "numbers")
    return folder / "numbers"


def old_cutouts(folder: Path) -> Path:
    (folder / "cutouts").mkdir()
    request = CUTOUTS.to_dict()
    (folder / "cutouts" / "cutouts.json").write_text(json.dumps(request))
    return folder / "cutouts"


CUTOUTS = CutoutRequest(load_service("legacy-dr10"), CutoutSize(64, arcsec=16))


def enter_cutouts(folder: Path) -> bool:
    fetch._enter(folder, CUTOUTS)
    return True


def read_answers(folder: Path) -> int:
    session = Session(["a1", "a2", "a3"], za.load_tree("rings"), folder)
    try:
        return len(session.answers.galaxies)
    finally:
        session.close()


def read_ledger(place: Path) -> pd.DataFrame:
    return Ledger(place, za.load_tree("simulated")).votes()


SAMPLES = {
    "model": Sample(copied("model"), za.load_model, in_json("model.json"), "model.json"),
    "draws": Sample(old_head, load_draws, in_npz),
    "training": Sample(old_training, open_training, in_json("checkpoint/state.json"), "checkpoint/state.json"),
    "task": Sample(copied("task"), za.load_finetuned, in_json("finetuned.json"), "finetuned.json"),
    "predictions": Sample(copied("predictions"), open_predictions, in_json("journal.json"), "journal.json"),
    "posterior": Sample(old_posterior, za.read_posterior, in_parquet),
    "shards": Sample(copied("shards"), za.read_catalogue, in_parquet, "part-00000.parquet"),
    "classifications": Sample(copied("ledger"), read_ledger, in_ledger, "classifications.parquet"),
    "rounds": Sample(old_rounds, open_rounds, in_json("loop.json"), "loop.json"),
    "tables of results": Sample(old_selection, read_selection, in_json("selection.csv.how.json")),
    "model on embeddings": Sample(saved("question", "model"), za.load_model, in_json("model.json"), "model.json"),
    "model of a number": Sample(saved("number", "model"), load_number_model, in_json("model.json"), "model.json"),
    "task of a number": Sample(saved("number"), load_numbers, in_json("finetuned.json"), "finetuned.json"),
    "predictions of a number": Sample(
        predicted_numbers,
        numbers.open_numbers,
        lambda place, number: in_parquet(place / numbers.TABLE, number),
        numbers.TABLE,
    ),
    "embeddings": Sample(
        copied("predictions"), za.read_embeddings, in_json("journal.json"), "journal.json", kind="predictions"
    ),
    "cutouts": Sample(old_cutouts, enter_cutouts, in_json("cutouts.json"), "cutouts.json"),
    "votes": Sample(copied("votes.parquet", BEFORE), za.read_catalogue, in_result, kind="tables of results"),
    "labels of one's own": Sample(copied("labelling", BEFORE), read_answers, in_lines, "answers.jsonl"),
} | {
    f"catalogue, {ending}": Sample(
        copied(f"combined/catalogue{ending}", BEFORE), za.read_catalogue, declare, kind="tables of results"
    )
    for ending, declare in {".parquet": in_result, ".fits": in_fits, ".xml": in_votable, ".csv": beside}.items()
}


# What each gets ------------------------------------------------------------------------------------------------------

CASES = ("an older version's", "a newer version's", "with a number that is none", "cut off")
UNDAMAGED = ("tables of results", "catalogue, .csv")
"""CSV, of which nobody can tell that rows are missing at its end."""

TORN = ("labels of one's own",)
"""Files whose last line a power cut may tear: the lines before it are read."""


def put(case: str, name: str, folder: Path) -> Path:
    """Write such a file into an empty folder."""
    sample = SAMPLES[name]
    place = sample.old(folder)
    if case == CASES[1]:
        sample.declare(place, KNOWN[sample.kind or name] + 90)
    elif case == CASES[2]:
        sample.declare(place, "-3" if name == "classifications" else "three")
    elif case == CASES[3]:
        file = place / sample.file if place.is_dir() else place
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return place


@contextmanager
def written(case: str, name: str) -> Iterator[tuple[Path, Path]]:
    """Give a folder with such a file for a while, and the file's place."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "here").mkdir()
        yield Path(folder), put(case, name, Path(folder) / "here")


def got(case: str, name: str) -> tuple[str, str]:
    """Return what such a file gets, in short and in full."""
    with written(case, name) as (folder, place), warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        try:
            SAMPLES[name].read(place)
        except ZooactiveError as error:
            return f"refused ({type(error).__name__})", str(error).replace(f"{folder}/", "")
        said = [str(warning.message) for warning in met if warning.category is UserWarning]
        return ("read, with a warning" if said else "read"), "; ".join(said).replace(f"{folder}/", "")


def table_lines() -> list[str]:
    """Return a table of what each gets, in short."""
    heads = ["what lies there", *CASES]
    rows = [[name, *(got(case, name)[0] if is_tried(case, name) else "-" for case in CASES)] for name in sorted(SAMPLES)]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]


def is_tried(case: str, name: str) -> bool:
    """Return whether such a file can be told from a whole one."""
    return case != CASES[3] or name not in UNDAMAGED


def main() -> int:
    """Print the table, and what is said in full."""
    print("\n".join(table_lines()))
    for name in sorted(SAMPLES):
        print(f"\n{name}")
        for case in CASES:
            print(f"  {case}: {': '.join(got(case, name)) if is_tried(case, name) else '-'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
