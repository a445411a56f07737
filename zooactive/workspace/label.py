"""Label galaxies yourself: a question, a pool, a page in the browser, and a model that learns from every answer."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.catalogue.images import original_bytes
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.foundation.errors import WorkspaceError, ZooactiveError
from zooactive.foundation.provenance import Making
from zooactive.foundation.spelling import file_name, texts_from_spreadsheet
from zooactive.foundation.telling import NOTHING, Show, Tell, silent
from zooactive.foundation.vocabulary import Chosen, LabelNext
from zooactive.foundation.writing import aside, write_how
from zooactive.models.embedding_model import EmbeddingModel
from zooactive.models.saved_form import BUNDLED
from zooactive.tree import DecisionTree
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.embeddings import read_given
from zooactive.workspace.label_question import labels_before, tree_of
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.origin import seen_by
from zooactive.workspace.sections import Pool
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import folders_of_images, galaxies_from

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pandas as pd

    from zooactive.loop.labelling.measures import Measures
    from zooactive.loop.labelling.session import Session
    from zooactive.prediction import Embeddings
    from zooactive.report.labelling_page.server import PageServer

OPTIONS: Options = (
    options_of("pool", Pool)
    | EMBEDDING_OPTIONS
    | {
        "pool": "pool.catalogue",
        "model": "model.folder",
        "id_column": "survey.id_column",
        "image_column": "survey.image_column",
    }
)

_EMBEDDINGS = "embeddings"
"""The folder of the features; `zooactive embed` also writes there."""


@dataclass(frozen=True)
class Labelled:
    """The result of labelling: the files with the labels and with their images, the tree, and the number of labels.

    `task` is the file that says how to train on labels of several questions; it is None for a single question.
    """

    file: Path
    with_images: Path
    tree: DecisionTree
    task: Path | None
    labels: int


def label(
    settings: Settings,
    question: str | None = None,
    *,
    classes: str | Sequence[str] | None = None,
    task: str | None = None,
    tree: str | Path | None = None,
    examples: Sequence[str] = (),
    demo: bool = False,
    port: int = 0,
    ready: Callable[[str], None] = lambda address: None,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> Labelled:
    """Serve the page until Ctrl-C, and return where the labels are.

    The answers to the `question` are yes and no, or the `classes`, given as names or as one text with commas. `task`
    continues with a question that the workspace or zooactive knows. `tree` asks all questions of a survey, one after the
    other. `examples` are ids of galaxies with the first answer; galaxies that look like them are shown first. `demo` shows
    the bundled galaxies of the rings task. `ready` is called with the URL of the page. The answers go to
    ``labelling/QUESTION`` in the workspace. Meanwhile the encoder computes features and writes them to ``embeddings``, as
    `zooactive embed` does.

    Raises a WorkspaceError if no galaxies or no images are named, or unless exactly one thing to ask is given.
    """
    if demo:
        settings = _demonstration(settings)
        task = task or "rings"
    given = galaxies_from(settings)
    made = Making("label", given, unmarked=folders_of_images(given))
    with open_labelling(settings, question, classes=classes, task=task, tree=tree, tell=tell) as found:
        found.give_examples(examples)
        found.embed_beside(progress)
        found.serve(port=port, ready=ready)
        labels, images = len(found.session.answers.galaxies), found.with_images()
        write_how(found.file, command="label", options={"tree": found.tree.name}, inputs={})
        made.done(found.file, outputs=[found.file, images], counts={"galaxies": len(found.pool), "labels": labels})
        return Labelled(found.file, images, found.tree, found.task, labels)


def open_labelling(
    settings: Settings,
    question: str | None = None,
    *,
    classes: str | Sequence[str] | None = None,
    task: str | None = None,
    tree: str | Path | None = None,
    tell: Tell = silent,
) -> Labelling:
    """Return a labelling of a workspace's pool; the parameters are those of `label`."""
    asked, source = tree_of(settings, question, classes, task, tree)
    known = {} if task is None else labels_before(settings, task)
    embeddings = read_given(settings) if settings.pool.embeddings is not None else None
    pool = settings.read_pool() if settings.pool.catalogue is not None or embeddings is None else embeddings.catalogue()
    if embeddings is not None:
        embeddings = embeddings.of_galaxies(pool)
        pool = pool.select(embeddings.ids)
    if not len(pool):
        raise WorkspaceError(f"{pool.source} has no galaxies; name other galaxies with --pool")
    if all(image is None for image in pool.images):
        raise WorkspaceError(
            f"{pool.source} names no images, so there is nothing to look at; give a --pool with a column of images, or "
            "a folder of images"
        )
    found = Labelling(pool.without_votes(), asked, settings.folder / "labelling", settings, embeddings, tell)
    if len(asked.questions) > 1:
        found.write_task(source)
    if known:
        taken, absent = found.session.take_over(known, f"labels of {task}")
        if taken:
            tell(f"{taken} earlier labels of '{task}' are taken over")
        if absent:
            tell(f"{absent} labels of '{task}' are left out, because their galaxies are not in the pool")
    return found


class Labelling:
    """A pool that you label yourself, in the browser or from Python.

    `zooactive.label` makes it. Close it at the end, or use it as a context.

    Parameters
    ----------
    pool : Catalogue
    tree : DecisionTree
    folder : Path
        The folder in which the question gets its own folder.
    settings : Settings
        The settings whose encoder looks at the images if no embeddings are given.
    embeddings : Embeddings, optional
        The embeddings of the pool's galaxies, in the order of the pool.
    tell : callable, optional
        A function that takes lines for people.
    """

    def __init__(
        self,
        pool: Catalogue,
        tree: DecisionTree,
        folder: Path,
        settings: Settings,
        embeddings: Embeddings | None = None,
        tell: Tell = silent,
    ) -> None:
        from zooactive.loop.labelling.session import Session

        self.pool, self.tree, self._settings, self._tell = pool, tree, settings, tell
        home = folder / file_name(tree.questions[0].name if len(tree.questions) == 1 else tree.name)
        self.session: Session = Session(pool.ids, tree, home, image_of=self._image_of)
        self.task: Path | None = None
        """The file that says how to train on labels of several questions."""
        self.file = home / "labels.csv"
        self._work = ""
        self._thread: threading.Thread | None = None
        self._page: PageServer | None = None
        self._stopped = threading.Event()
        if embeddings is not None:
            self._take(embeddings)

    def __enter__(self) -> Labelling:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        labels = len(self.session.answers.galaxies)
        return f"Labelling('{self.tree.questions[0].name}', {len(self.pool)} galaxies, {labels} labels)"

    def close(self) -> None:
        """Stop all computation and release the folder."""
        if self._page is not None:
            self._page.stop()
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self.session.close()

    # From Python -----------------------------------------------------------------------------------------------------

    def next(self, mode: LabelNext = "informative", *, answer: str | None = None, labeller: str = "me") -> str | None:
        """Return the id of the galaxy to look at next; see `zooactive.loop.labelling.session.Session.next`."""
        found = self.session.next("python", labeller, mode=mode, answer=answer)
        return None if found is None else str(self.pool.ids[found.row])

    def answer(
        self, galaxy: str, answer: str, *, question: str | None = None, labeller: str = "me", chosen: Chosen = "named"
    ) -> None:
        """Record an answer, by default to the first question; it is on disk when this returns."""
        self.session.answer(galaxy, answer, labeller, question=question, chosen=chosen)

    def give_examples(self, galaxies: Sequence[str]) -> None:
        """Give the first answer to the first question for galaxies that have no answer yet."""
        for galaxy in galaxies:
            if self.session.answers.nothing_said(galaxy):
                self.answer(galaxy, self.session.question.answers[0])

    def undo(self, labeller: str = "me") -> None:
        """Take back the last answer."""
        self.session.undo(labeller)

    def labels(self) -> pd.DataFrame:
        """Return the labels that count, as in ``labels.csv``."""
        import pandas as pd

        table = pd.read_csv(
            self.file, dtype={"id": str, "image": str}, keep_default_na=False, na_values={"probability": [""]}
        )
        texts = [str(name) for name in table if table[name].dtype.kind not in "if"]
        return table.assign(**{name: texts_from_spreadsheet(table[name]) for name in texts})

    def with_images(self) -> Path:
        """Return the table of labels with which `zooactive finetune` finds the images.

        If images are files, it is the table of labels itself. Otherwise it is ``labels.parquet`` next to it, which holds the
        images.
        """
        table = self.labels()
        images = [self.pool.images[self.session.row_of(galaxy)] for galaxy in table["id"]]
        if all(isinstance(image, Path) for image in images):
            return self.file
        table["image"] = [original_bytes(image, name=galaxy) for image, galaxy in zip(images, table["id"], strict=True)]
        target = self.file.with_suffix(".parquet")
        with aside(target) as temporary:
            table.to_parquet(temporary, index=False)
        return target

    def write_task(self, tree: str) -> None:
        """Write the file that says how to train on labels of a tree, with one labeller per galaxy.

        Labels of a single question need no such file: their column is enough.
        """
        self.task = self.file.with_name("task.toml")
        with aside(self.task) as temporary:
            text = f"name = {json.dumps(file_name(self.tree.name))}\ntree = {json.dumps(tree)}\nmin_votes = 1\n"
            temporary.write_text(text, encoding="utf-8")

    def measures(self) -> Measures:
        """Wait until the head is trained on all answers, and return how good it is now."""
        self.session.wait()
        return self.session.measures()

    def embed(self, progress: Show = NOTHING) -> None:
        """Compute the features of the pool, or read the features that were computed before."""
        if self.session.embedded_already:
            return
        with progress("features of the images", len(self.pool)) as report:
            self._take(_embedded(self._settings, self.pool, report))

    def embed_beside(self, progress: Show = NOTHING) -> None:
        """Compute the features in another process of low priority, while people label already."""
        if self.session.embedded_already:
            return
        self._work = "The features of the images are being computed; then the model starts to learn."
        self._thread = threading.Thread(target=self._follow, args=(progress,), name="zooactive-embedding", daemon=True)
        self._thread.start()

    def _follow(self, progress: Show) -> None:
        """Wait for the process that computes the features, report its progress, and take the features at the end."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_embed_for, args=(self._settings, self.pool, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            with progress("features of the images", len(self.pool)) as report:
                while not self._stopped.is_set():
                    if not ours.poll(0.2):
                        continue
                    said = ours.recv()
                    if isinstance(said, str):  # an error: the page shows it, and galaxies are then shown at random
                        self._work = said
                        self._tell(said)
                        return
                    self._work = (
                        f"Features of {said:,} of {len(self.pool):,} images are computed; then the model starts to learn."
                    )
                    report(said)
        except EOFError:  # it has ended
            process.join()
        finally:
            process.terminate()
            process.join()
            ours.close()
        if process.exitcode == 0:
            from zooactive.prediction import read_embeddings

            self._take(read_embeddings(self._settings.folder / _EMBEDDINGS))
            self._work = ""

    def serve(self, *, port: int = 0, ready: Callable[[str], None] = lambda address: None) -> None:
        """Serve the page until Ctrl-C; `ready` is called with its URL."""
        server = self._server(port)
        ready(server.address)
        server.run()

    def start(self, port: int = 0) -> str:
        """Serve the page in the background until this labelling is closed, and return the page's URL."""
        if self._page is None:
            self._page = self._server(port)
            self._page.start()
        return self._page.address

    def _repr_html_(self) -> str:
        return f'<iframe src="{self.start()}" width="100%" height="900" style="border: 0" title="Label galaxies"></iframe>'

    def _server(self, port: int) -> PageServer:
        from zooactive.report.labelling_page.server import PageServer

        work, seen = lambda: {"text": self._work}, seen_by(self._settings)
        return PageServer(self.session, self.pool, port=port, progress=work, seen=seen)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _take(self, embeddings: Embeddings) -> None:
        """Give the session the features in the order of the pool; galaxies without features are left out."""
        rows = embeddings.rows_of(self.pool.ids)
        model = EmbeddingModel(self.tree, features=embeddings.width, encoder=embeddings.encoder, scale=embeddings.scale())
        features = np.zeros((len(rows), embeddings.width), dtype=np.float16)
        known = np.flatnonzero(rows >= 0)
        features[known] = model.of(embeddings.features[rows[known]])
        self.session.embedded(features, without=np.flatnonzero(rows < 0))

    def _image_of(self, row: int) -> str:
        image = self.pool.images[row]
        return str(image.resolve()) if isinstance(image, Path) else ""


def _embedded(settings: Settings, pool: Catalogue, report: Callable[[int], None]) -> Embeddings:
    """Compute the features of a pool with the settings' encoder or the bundled one, or resume where this stopped."""
    from zooactive.models import load_network
    from zooactive.prediction import embed

    start = settings.model.folder
    network = load_network(start if start.exists() else Path(BUNDLED))
    size = settings.pool.batch_size
    return embed(network, pool, settings.folder / _EMBEDDINGS, batch_size=size, progress=report)


def _embed_for(settings: Settings, pool: Catalogue, connection: Connection) -> None:
    """Compute the features in another process, which reports through the connection and ends if nobody waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    if hasattr(os, "nice"):
        os.nice(10)
    try:
        _embedded(settings, pool, connection.send)
    except ZooactiveError as error:
        connection.send(str(error))
        sys.exit(1)


def _demonstration(settings: Settings) -> Settings:
    """Return the settings with the bundled galaxies of the rings task as the pool."""
    pool = settings.folder / "rings.parquet"
    if not pool.exists():
        with aside(pool) as temporary, suppress(shutil.SameFileError):
            shutil.copyfile(catalogs_folder() / "samples" / "rings.parquet", temporary)
    return settings.with_options(pool={"catalogue": pool})
