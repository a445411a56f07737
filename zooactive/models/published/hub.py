"""Fetch and publish repositories on the Hugging Face hub, through its own package (`zooactive[hub]`)."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from zooactive.foundation.addresses import address_of
from zooactive.foundation.errors import ModelError, UploadError, ZooactiveError, explained

SCHEME = "hf://"
_NAME = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>\w[\w./-]*))?", re.ASCII)
_FORM = "write hf://USER/NAME or hf://USER/NAME@REVISION"
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"

_READ = ("config.json", "model.json", "README.md", "*.safetensors", "*.npz")
_PICKLES = ("pytorch_model.bin", "*.ckpt")
"""Fetched only if a repository has no other weights, because they take longer to check and often exist in addition."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A repository after an upload: its page, its commit, and whether the commit is a new one."""

    page: str
    commit: str
    changed: bool


def on_the_hub(place: str | Path) -> str | None:
    """Return "hf://..." if a place is named in this way, even if it lost a slash as a `Path`; otherwise None."""
    address = address_of(place)
    return address if address is not None and address.startswith(SCHEME) else None


def parse_name(name: str) -> tuple[str, str | None]:
    """Return the repository and the revision that a name contains.

    Raises
    ------
    ModelError
        If it is not the name of a repository.
    """
    found = _NAME.fullmatch(name)
    if found is None or ".." in name:
        raise ModelError(f"'{name}' is not the name of a repository; {_FORM}")
    return found["repository"], found["revision"]


def fetch(name: str | Path) -> Path:
    """Return the folder with a repository's description and weights, fetched into the hub's cache if necessary.

    No code is fetched. Without a network, files in the cache are used. An interrupted download resumes.

    Parameters
    ----------
    name : str or Path
        "hf://USER/NAME", or "hf://USER/NAME@REVISION" with a branch, a tag or a commit.

    Raises
    ------
    ModelError
        If huggingface_hub is not installed, there is no such repository, you may not read it, it holds no weights, or it
        cannot be reached and is not in the cache.
    """
    name = on_the_hub(name) or str(name)
    repository, revision = parse_name(name)
    package = _package(f"{name}: to load it,", ModelError)
    with _bars(), _explained(package, name, revision):
        folder = _snapshot(package, repository, revision, _READ)
        if not _weights(folder):
            folder = _snapshot(package, repository, folder.name, _PICKLES)
    if not _weights(folder):
        raise ModelError(f"{name} holds no weights that zooactive reads (.safetensors, .npz, pytorch_model.bin or .ckpt)")
    return folder


def weights_in(folder: Path) -> Path | None:
    """Return the file of weights in a fetched repository, or None; safetensors are preferred to pickles."""
    return next(iter(_weights(folder)), None)


def _weights(folder: Path) -> list[Path]:
    """Return the files of weights in a folder, the preferred ones first."""
    patterns = ("model.safetensors", "*.safetensors", "*.npz", *_PICKLES)
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def _snapshot(package: Any, repository: str, revision: str | None, patterns: Sequence[str]) -> Path:
    options = {"allow_patterns": list(patterns), "ignore_patterns": ["*/*"], "library_name": "zooactive"}
    return Path(package.snapshot_download(repository, revision=revision, **options))


def is_logged_in() -> bool:
    """Return whether huggingface_hub is installed and has an access token."""
    try:
        return import_module("huggingface_hub").get_token() is not None
    except ImportError:
        return False


def push(folder: Path, repository: str, names: Sequence[str], *, private: bool) -> Pushed:
    """Make a repository hold these files of a folder, in one commit; if it holds them already, there is no commit.

    Parameters
    ----------
    folder : Path
    repository : str
        USER/NAME; the repository is created if it does not exist.
    names : sequence of str
        The files to send. Other files in the folder are not sent.
    private : bool
        Whether only the owner may see the repository.

    Raises
    ------
    UploadError
        If huggingface_hub is not installed, you are not logged in, the hub refuses, or the repository is public but a
        private one was requested.
    """
    package = _package(f"to publish {repository},", UploadError)
    with _bars(), _without_warnings(), _explained(package, f"{SCHEME}{repository}", None, UploadError):
        api = package.HfApi(library_name="zooactive")
        page = str(api.create_repo(repository, private=private, exist_ok=True))
        before = api.repo_info(repository)
        if private and not before.private:
            raise UploadError(
                f"{page} is already public, but --private was given; make it private in its settings, or choose another name"
            )
        done = api.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            allow_patterns=list(names),
            delete_patterns=["*.npz"],  # of a model that was published there before
            commit_message="A model of zooactive",
        )
    return Pushed(page, str(done.oid), done.oid != before.sha)


def _package(what: str, error: type[ZooactiveError]) -> Any:
    with explained(error, f"{what} install huggingface_hub: pip install 'zooactive[hub]'", ImportError):
        import_module("huggingface_hub.errors")
        return import_module("huggingface_hub")


@contextmanager
def _bars() -> Iterator[None]:
    """Let the package draw progress bars only in a terminal."""
    tools = import_module("huggingface_hub.utils")
    if sys.stderr.isatty() or tools.are_progress_bars_disabled():
        yield
        return
    tools.disable_progress_bars()
    try:
        yield
    finally:
        tools.enable_progress_bars()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide the package's warning about an upload without changes, which is not a fault."""
    logger = logging.getLogger("huggingface_hub.hf_api")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _explained(package: Any, name: str, revision: str | None, error: type[ZooactiveError] = ModelError) -> Iterator[None]:
    """Explain in a sentence what the hub or the connection refused."""
    try:
        yield
    except ZooactiveError:
        raise
    except Exception as met:  # from huggingface_hub, from its HTTP library (which changes), and from the system
        raise error(_sentence(package.errors, met, name, revision)) from met


def _sentence(errors: Any, met: Exception, name: str, revision: str | None) -> str:
    status = getattr(getattr(met, "response", None), "status_code", None)
    if isinstance(met, errors.GatedRepoError):
        return f"{name} is gated: accept its terms on its page, and {_LOGIN}"
    if isinstance(met, errors.RevisionNotFoundError):
        return f"{name}: there is no revision '{revision}'; name a branch, a tag or a commit of the repository"
    if isinstance(met, errors.RepositoryNotFoundError):
        return f"there is no {name}, or it is private; check the name, or {_LOGIN}"
    if isinstance(met, errors.HFValidationError):
        return f"'{name}' is not the name of a repository; {_FORM}"
    if status in (401, 403):
        return f"{name}: the hub does not allow this ({status}); {_LOGIN}, with a token that has the permission"
    if isinstance(met, errors.LocalEntryNotFoundError):
        answered = getattr(getattr(met.__cause__, "response", None), "status_code", None)
        why = "the hub cannot be reached" if answered is None else f"the hub answers with an error ({answered})"
        return f"{name} is not complete in the cache, and {why}; connect to the network, or try again later"
    if isinstance(met, errors.OfflineModeIsEnabled):
        return f"{name}: HF_HUB_OFFLINE is set, so the hub is not asked; unset it and run the same command again"
    if status is not None:
        return f"{name}: the hub answers with an error ({status}); run the same command again later"
    reason = re.sub(r"\?\S+", "", " ".join(str(met).split()))[:200] or type(met).__name__  # addresses may be signed
    if isinstance(met, ValueError):
        return f"{name}: the hub refuses it, or gives an unexpected answer ({reason})"
    return f"{name}: the connection to the hub broke off ({reason}); run the same command again to resume"
