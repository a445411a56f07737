"""A workspace for Python: each command that works in a workspace is a method."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.showing import show_of
from zooactive.foundation.telling import Auto, Bar, Show, Tell, silent
from zooactive.models.saved_form import tells_numbers
from zooactive.workspace.file import find_settings, load_settings
from zooactive.workspace.options import Options, settings_for
from zooactive.workspace.sections import FILE
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue.shards import ShardsResult
    from zooactive.labels.subjects import SubjectSet
    from zooactive.loop.stepping.step import Step
    from zooactive.prediction import Predictions
    from zooactive.prediction.numbers import NumberPredictions
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers
    from zooactive.workspace.catalogue import PublishedCatalogue
    from zooactive.workspace.embed import WrittenEmbeddings
    from zooactive.workspace.evaluate import WorkspaceMetrics
    from zooactive.workspace.label import Labelled
    from zooactive.workspace.label_metrics import LabelMetrics
    from zooactive.workspace.loop import Rehearsal
    from zooactive.workspace.numbers import NumberMetrics
    from zooactive.workspace.publish import Published
    from zooactive.workspace.sheet import Sheet
    from zooactive.workspace.table import Written


class Workspace:
    """A folder with ``zooactive.toml``, and the jobs that can be done in it.

    Its methods do what the commands of the same names do, and write the same files. Their options are those of the commands,
    and the entries of the file's tables that the job reads. Options override what the file says. For example, ``zooactive
    acquire --help`` lists the most used options of ``workspace.acquire()``.

    Parameters
    ----------
    settings : Settings
        The settings of the file.
    progress : "auto", None or callable
        How progress is shown. "auto" shows a bar in a terminal or a notebook, and elsewhere a line every half a minute on
        stderr. None or False shows nothing. A function takes a label and a total, and returns a context manager; this yields
        a function that takes the number done.
    tell : callable, optional
        A function that takes lines for people; by default the lines are dropped.

    Examples
    --------
    >>> import zooactive as za
    >>> workspace = za.load_workspace("survey")  # doctest: +SKIP
    >>> selection = workspace.acquire(n=500, votes=20)  # doctest: +SKIP
    """

    def __init__(self, settings: Settings, *, progress: Auto | Bar | Show = "auto", tell: Tell = silent) -> None:
        self.settings, self._progress, self._tell = settings, show_of(progress, tell), tell

    def __repr__(self) -> str:
        return f"Workspace({str(self.settings.folder)!r})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or (not hasattr(Settings, name) and name not in Settings.__dataclass_fields__):
            raise AttributeError(f"a workspace has no attribute '{name}'")
        warnings.warn(f"workspace.{name} is workspace.settings.{name} now", DeprecationWarning, stacklevel=2)
        return getattr(self.settings, name)

    @property
    def folder(self) -> Path:
        """Return the folder of the workspace's file."""
        return self.settings.folder

    def _with(self, options: Options, given: dict[str, Any]) -> tuple[Settings, dict[str, Any]]:
        return settings_for(self.settings, options, given)

    def prepare(self, **options: Any) -> ShardsResult:
        """Check every row and image of the survey, and pack them into Parquet shards."""
        from zooactive.workspace.prepare import OPTIONS, prepare

        settings, own = self._with(OPTIONS, options)
        return prepare(settings, progress=self._progress, tell=self._tell, **own)

    def sheet(self, **options: Any) -> Sheet:
        """Draw some galaxies as the network would see them."""
        from zooactive.workspace.sheet import OPTIONS, sheet

        settings, own = self._with(OPTIONS, options)
        return sheet(settings, progress=self._progress, tell=self._tell, **own)

    def train(self, *, recipe: str | Path | None = None, **options: Any) -> pd.DataFrame:
        """Train the model on the votes, or resume a killed run, and return one row per epoch."""
        from zooactive.workspace.train import OPTIONS, train

        before = self.settings if recipe is None else self.settings.with_recipe(recipe)
        settings, own = settings_for(before, OPTIONS, options)
        return train(settings, progress=self._progress, tell=self._tell, **own)

    def calibrate(self, **options: Any) -> pd.DataFrame:
        """Fit a factor for each question that calibrates the model's uncertainty, and return one row per question."""
        from zooactive.workspace.calibrate import OPTIONS, calibrate

        settings, own = self._with(OPTIONS, options)
        return calibrate(settings, progress=self._progress, **own)

    def predict(self, **options: Any) -> Predictions | NumberPredictions:
        """Predict the posterior of every galaxy of the pool, or resume an interrupted run."""
        from zooactive.workspace.predict import OPTIONS, predict

        settings, own = self._with(OPTIONS, options)
        if tells_numbers(settings.model.folder):
            from zooactive.workspace.numbers import predict_number

            return predict_number(settings, progress=self._progress, tell=self._tell, **own)
        return predict(settings, progress=self._progress, tell=self._tell, **own)

    def embed(self, **options: Any) -> WrittenEmbeddings:
        """Compute the features of every galaxy of the pool, or resume an interrupted run."""
        from zooactive.workspace.embed import OPTIONS, embed

        settings, own = self._with(OPTIONS, options)
        return embed(settings, progress=self._progress, tell=self._tell, **own)

    def evaluate(self, *, column: str | None = None, **options: Any) -> WorkspaceMetrics | LabelMetrics | NumberMetrics:
        """Measure the model on galaxies that it never saw: those with votes, or a task on labels in a `column`."""
        from zooactive.workspace.evaluate import OPTIONS, evaluate
        from zooactive.workspace.label_metrics import evaluate_labels, is_about_labels
        from zooactive.workspace.task_metrics import at_task

        settings, own = self._with(OPTIONS, options)
        settings = at_task(settings)
        numbers = tells_numbers(settings.model.folder)
        by_votes = options.get("tree") is not None or options.get("rule") is not None
        labels = not (numbers or by_votes) and is_about_labels(settings)
        if (numbers or labels) and own.pop("by", None):
            raise WorkspaceError("only measures by the survey's votes are binned by a column; leave out --by")
        if numbers:
            from zooactive.workspace.numbers import evaluate_number

            return evaluate_number(settings, column=column, progress=self._progress, **own)
        if labels:
            return evaluate_labels(settings, column=column, progress=self._progress, tell=self._tell, **own)
        if column is not None:
            raise WorkspaceError("only a task is judged by a column of labels; name one with --model tasks/NAME")
        return evaluate(settings, progress=self._progress, **own)

    def acquire(self, **options: Any) -> pd.DataFrame:
        """Choose the galaxies whose votes would be most informative."""
        from zooactive.workspace.acquire import OPTIONS, acquire

        settings, own = self._with(OPTIONS, options)
        return acquire(settings, progress=self._progress, tell=self._tell, **own)

    def catalogue(self, **options: Any) -> PublishedCatalogue:
        """Combine model and votes in one catalogue, with one row per galaxy of the pool."""
        from zooactive.workspace.catalogue import OPTIONS, catalogue

        settings, own = self._with(OPTIONS, options)
        return catalogue(settings, progress=self._progress, tell=self._tell, **own)

    def table(self, source: str | Path | None = None, **options: Any) -> Written:
        """Write a list of galaxies, or all predictions, as one table with coordinates."""
        from zooactive.workspace.table import OPTIONS, table

        settings, own = self._with(OPTIONS, options)
        return table(settings, source, tell=self._tell, **own)

    def allocate(self, clicks: float | None = None, **options: Any) -> pd.DataFrame:
        """Plan how many more volunteers should see each galaxy of the pool, and which galaxies need none."""
        from zooactive.workspace.allocate import OPTIONS, allocate

        settings, own = self._with(OPTIONS, options)
        return allocate(settings, clicks, progress=self._progress, tell=self._tell, **own)

    def finetune(
        self, labels: str | Path | None = None, task: str | None = None, **options: Any
    ) -> FinetunedModel | FinetunedNumbers:
        """Train on a new question from a few hundred labels, and return the fine-tuned model."""
        from zooactive.workspace.finetune import OPTIONS, finetune

        settings, own = self._with(OPTIONS, options)
        return finetune(settings, labels, task, progress=self._progress, tell=self._tell, **own)

    def top(self, answer: str | None = None, **options: Any) -> pd.DataFrame:
        """List and draw the galaxies most likely to get a given answer."""
        from zooactive.workspace.top import OPTIONS, top

        settings, own = self._with(OPTIONS, options)
        return top(settings, answer, progress=self._progress, tell=self._tell, **own)

    def label(self, question: str | None = None, **options: Any) -> Labelled:
        """Serve a page on which you label galaxies yourself, until Ctrl-C, and return where the labels are."""
        from zooactive.workspace.label import OPTIONS, label

        settings, own = self._with(OPTIONS, options)
        return label(settings, question, progress=self._progress, tell=self._tell, **own)

    def similar(self, ids: str | list[str], **options: Any) -> pd.DataFrame:
        """List and draw the galaxies that look most like the given ones."""
        from zooactive.workspace.similar import OPTIONS, similar

        settings, own = self._with(OPTIONS, options)
        return similar(settings, ids, **own)

    def show(self, galaxy: str, **options: Any) -> pd.DataFrame:
        """Predict what volunteers would say about one galaxy, an id or an image file, with one row per answer."""
        from zooactive.workspace.show import OPTIONS, show

        settings, own = self._with(OPTIONS, options)
        return show(settings, galaxy, tell=self._tell, **own)

    def report(self, **options: Any) -> Path:
        """Write one page about everything that the workspace holds."""
        from zooactive.workspace.report import OPTIONS, report

        settings, own = self._with(OPTIONS, options)
        return report(settings, **own)

    def publish(self, repository: str, **options: Any) -> Published:
        """Write a model as a repository that others can load by name, and upload it to the Hugging Face hub."""
        from zooactive.workspace.publish import OPTIONS, publish

        settings, own = self._with(OPTIONS, options)
        return publish(settings, repository, tell=self._tell, **own)

    def export(self, **options: Any) -> SubjectSet:
        """Write images and a manifest of the selected galaxies, for the Zooniverse."""
        from zooactive.workspace.export import OPTIONS, export

        settings, own = self._with(OPTIONS, options)
        return export(settings, tell=self._tell, **own)

    def convert(self, **options: Any) -> Path:
        """Write the model as one file that ONNX Runtime or LiteRT runs, and return the file."""
        from zooactive.workspace.convert import OPTIONS, convert

        settings, own = self._with(OPTIONS, options)
        return convert(settings, progress=self._progress, **own)

    def loop_ask(self, **options: Any) -> pd.DataFrame:
        """Train on the votes so far, measure the model, and choose the galaxies of the next round."""
        from zooactive.workspace.loop import OPTIONS, ask

        settings, own = self._with(OPTIONS, options)
        return ask(settings, progress=self._progress, tell=self._tell, **own)

    def loop_tell(self, votes: str | Path, **options: Any) -> dict[str, Any]:
        """Record the votes of a round, and close the round."""
        from zooactive.workspace.loop import OPTIONS, tell_votes

        settings, own = self._with(OPTIONS, options)
        return tell_votes(settings, votes, progress=self._progress, tell=self._tell, **own)

    def loop_status(self, **options: Any) -> pd.DataFrame:
        """Return one row for each round so far."""
        from zooactive.workspace.loop import OPTIONS, status

        settings, own = self._with(OPTIONS, options)
        return status(settings, **own)

    def loop_step(self, **options: Any) -> Step:
        """Do what is due now in unattended rounds with the Zooniverse, and return what the rounds wait for."""
        from zooactive.workspace.loop_step import OPTIONS, loop_step

        settings, own = self._with(OPTIONS, options)
        return loop_step(settings, progress=self._progress, tell=self._tell, **own)

    def loop_rehearse(self, **options: Any) -> Rehearsal:
        """Compare strategies on galaxies whose votes are known."""
        from zooactive.workspace.loop import OPTIONS, rehearse

        settings, own = self._with(OPTIONS, options)
        return rehearse(settings, progress=self._progress, **own)


def find_workspace(
    start: str | Path | None = None, *, progress: Auto | Bar | Show = "auto", tell: Tell = silent
) -> Workspace:
    """Load the nearest ``zooactive.toml`` in or above a folder; without one, return a workspace of defaults.

    Raises
    ------
    WorkspaceError
        If the file is not TOML, or has unknown entries or entries of the wrong type.
    """
    return Workspace(find_settings(start), progress=progress, tell=tell)


def load_workspace(path: str | Path, *, progress: Auto | Bar | Show = "auto", tell: Tell = silent) -> Workspace:
    """Load a workspace: a folder with ``zooactive.toml``, or that file.

    Parameters
    ----------
    path : path
    progress, tell : callable, optional
        See `Workspace`.

    Raises
    ------
    WorkspaceError
        If the file is missing or not TOML, or has unknown entries or entries of the wrong type.
    """
    path = Path(path)
    return Workspace(load_settings(path / FILE if path.is_dir() else path), progress=progress, tell=tell)
