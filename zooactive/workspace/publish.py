"""Write a model as a repository that others can load by its name, and upload it to the Hugging Face hub."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import ModelError, OutputError, WorkspaceError, explained
from zooactive.foundation.locking import held
from zooactive.foundation.parsing import read_object
from zooactive.foundation.reading import read_text
from zooactive.foundation.telling import Tell, silent
from zooactive.foundation.writing import aside, make_folder, write_json
from zooactive.models.published.archives import pack
from zooactive.models.published.hub import SCHEME, is_logged_in, parse_name, push
from zooactive.models.published.origin import CARD, CONFIG
from zooactive.models.saved_form import ABOUT, BUNDLED, ENCODER, HEAD, model_folder, read_about, stored_origin
from zooactive.report.card import Card, card_text
from zooactive.workspace.card_facts import card_of
from zooactive.workspace.options import Options
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.training.finetuning.finetuned_model import FinetunedModel

OPTIONS: Options = {"model": "model.folder"}
_LIBRARY = "zooactive"
_WEIGHTS = (ENCODER, HEAD, "scale.npz")
_NAMES = (CARD, CONFIG, ABOUT, *_WEIGHTS)
"""The only files that are ever published; other files in the folder of a model are ignored."""


@dataclass(frozen=True)
class Published:
    """A published model, or what a dry run would publish.

    Parameters
    ----------
    repository : str
        USER/NAME.
    files : dict of str to int
        Each file and its size in bytes.
    folder : Path, optional
        The folder of the files; None for a dry run.
    page, commit : str, optional
        Page and commit of the repository; None if nothing was uploaded.
    changed : bool
        Whether the upload changed the repository.
    archive : Path, optional
    sha256 : str, optional
        SHA-256 of the archive.
    licence : str, optional
    """

    repository: str
    files: dict[str, int]
    folder: Path | None = None
    page: str | None = None
    commit: str | None = None
    changed: bool = False
    archive: Path | None = None
    sha256: str | None = None
    licence: str | None = None


def publish(
    settings: Settings,
    repository: str,
    *,
    out: str | Path | None = None,
    archive: bool = False,
    private: bool = False,
    licence: str | None = None,
    dry_run: bool = False,
    tell: Tell = silent,
) -> Published:
    """Write a model as a repository, and upload it to the Hugging Face hub if you are logged in.

    `repository` is "USER/NAME". With `out`, the repository stays in this folder and nothing is uploaded; by default the
    folder is ``published/NAME`` in the workspace. `archive` also packs it as a zip next to the folder. The default `licence`
    is that of the weights that the model started from. `dry_run` writes and uploads nothing.

    Raises a ModelError if there is no complete model, a WorkspaceError if something in it names a path of this machine, and
    an UploadError if the hub refuses.
    """
    repository = repository.removeprefix(SCHEME)
    if parse_name(f"{SCHEME}{repository}")[1] is not None:
        raise WorkspaceError(f"'{repository}' names a revision; give USER/NAME: changes become its next commit")
    model = model_folder(settings.model.folder)
    tuned = _task_of(model)
    damaged = f"the model in {model.parent} is damaged ({{reason}}); save or train the model again"
    with explained(ModelError, damaged, KeyError, TypeError, ValueError, AttributeError, OSError):
        card = card_of(settings, model, repository, tuned=tuned, licence=licence, tell=tell)
    origin = stored_origin(model)
    if licence and origin is not None and origin.source != BUNDLED and origin.licence not in (None, licence):
        tell(f"warning: the model started from {origin}; check that its licence allows the licence {licence}")
    if card.licence is None:
        tell("warning: the card states no licence, so nobody may use the model; give --licence, such as cc-by-4.0")
    if dry_run:
        with tempfile.TemporaryDirectory() as passing:
            files = _write(card, model, Path(passing))
        return Published(repository, files, licence=card.licence)
    folder = Path(out) if out is not None else settings.folder / "published" / repository.partition("/")[2]
    _refuse_others(folder, model)
    make_folder(folder)
    with held(folder):
        done = Published(repository, _write(card, model, folder), folder, licence=card.licence)
        _refuse_unloadable(folder)
        if archive:
            target = folder.with_name(f"{folder.name}.zip")
            done = replace(done, archive=target, sha256=pack(folder, list(done.files), target))
        if out is not None:
            return done
        if not is_logged_in():
            tell("you are not logged in to the Hugging Face hub, so nothing is uploaded; run `hf auth login`, then publish")
            return done
        pushed = push(folder, repository, list(done.files), private=private)
    return replace(done, page=pushed.page, commit=pushed.commit, changed=pushed.changed)


def _task_of(model: Path) -> FinetunedModel | None:
    """Return the fine-tuned task of a model; None for a model that was trained on a survey."""
    if not (model.parent / "finetuned.json").is_file() or model.name != "model":
        return None
    from zooactive.training.finetuning.finetuned_model import load_finetuned

    return load_finetuned(model.parent)


def _refuse_others(folder: Path, model: Path) -> None:
    """Raise an OutputError for a folder whose files would be lost, or for the model's own folder."""
    if folder.exists() and folder.resolve() == model.resolve():
        raise OutputError(f"{folder} is the model's own folder; give another one with --out")
    if not any((folder / name).exists() for name in _NAMES):
        return
    try:
        ours = read_object(folder / CONFIG).get("library_name") == _LIBRARY
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise OutputError(f"{folder} holds files that `zooactive publish` did not write; give an empty folder with --out")


def _write(card: Card, model: Path, folder: Path) -> dict[str, int]:
    """Write the files of a repository, and return the size of each; the same model and card give the same bytes."""
    about = read_about(model)
    _refuse_private(about, str(model / ABOUT))
    weights = [name for name in _WEIGHTS if (model / name).is_file()]
    for name in set(_WEIGHTS) - set(weights):
        (folder / name).unlink(missing_ok=True)
    for name in (*weights, ABOUT):
        with aside(folder / name) as temporary:
            shutil.copyfile(model / name, temporary)
    write_json(folder / CONFIG, _config(about, card))
    text = card_text(card)
    _refuse_private(text.split(), "the card")
    with aside(folder / CARD) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return {name: (folder / name).stat().st_size for name in (CARD, CONFIG, ABOUT, *weights)}


def _config(about: dict[str, Any], card: Card) -> dict[str, Any]:
    """Return the description that the hub uses to count downloads, and that tells other programs what the folder holds."""
    model = about["model"]
    pixels = model.get("preprocessing", {})
    return {
        "library_name": _LIBRARY,
        "format": about["format"],
        "backbone": model.get("backbone", "embeddings"),
        "image_size": pixels.get("size"),
        "channels": pixels.get("channels"),
        "num_features": model.get("features"),
        "columns": about.get("columns"),
        "fingerprint": about["fingerprint"],
        "license": card.licence,
    }


def _refuse_private(value: Any, where: str) -> None:
    """Raise a WorkspaceError if some text is a path of this machine, because it names the owner and helps nobody."""
    if isinstance(value, dict):
        for entry in value.values():
            _refuse_private(entry, where)
    elif isinstance(value, list | tuple):
        for entry in value:
            _refuse_private(entry, where)
    elif isinstance(value, str):
        text = value.strip("`'\"(),.;:")
        home = str(Path.home())
        on_a_disk = len(text) > 2 and text[0].isalpha() and text[1:3] in (":\\", ":/")
        from_the_root = len(text) > 1 and text.startswith(("/", "~/", "\\\\"))
        if from_the_root or on_a_disk or (len(home) > 1 and home in text):
            raise WorkspaceError(
                f"{where} holds the path '{text}' of this machine, which must not be published; train again with another "
                "name (for embeddings: --encoder)"
            )


def _refuse_unloadable(folder: Path) -> None:
    """Load what was written as others will; raise a ModelError if this fails, before anything is uploaded."""
    from zooactive.models import load_model

    read_text(folder / CARD)
    load_model(folder)
