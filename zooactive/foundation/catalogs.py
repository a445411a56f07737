"""The location of the data that come with zooactive: trees, tasks, recipes, samples, the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import TreeError, ZooactiveError, did_you_mean
from zooactive.foundation.parsing import read_toml


def catalogs_folder() -> Path:
    """Return the folder of trees, tasks and samples: inside an installed package, or next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "catalogs", package.parent / "catalogs"):
        if (folder / "trees").is_dir():
            return folder
    raise TreeError(f"the folder catalogs is missing next to {package}; install zooactive again")


@dataclass(frozen=True)
class NamedFiles:
    """TOML files of one kind: those that come with zooactive have names, your own have paths that end in ``.toml``.

    Parameters
    ----------
    folder : str
        A folder in `catalogs_folder`.
    kind : str
        The kind of the files, such as "class rule".
    error : type
        The error for a file that does not exist or cannot be read.
    mend : str
        The end of the message for an unknown name; ``{known}`` is replaced by the known names.
    damaged : str
        The message for a file that is not TOML.
    """

    folder: str
    kind: str
    error: type[ZooactiveError]
    mend: str
    damaged: str = "is not readable TOML"

    def names(self) -> tuple[str, ...]:
        """Return the names of the files that come with zooactive, sorted."""
        return tuple(sorted(path.stem for path in (catalogs_folder() / self.folder).glob("*.toml")))

    def read(self, name: str | Path) -> tuple[Path, dict[str, Any]]:
        """Return the path and the contents of the file with this name or path."""
        if str(name).endswith(".toml"):
            path = Path(name)
        elif str(name) in (names := self.names()):
            path = catalogs_folder() / self.folder / f"{name}.toml"
        else:
            mend = self.mend.format(known=", ".join(names))
            raise self.error(f"there is no {self.kind} '{name}'.{did_you_mean(str(name), names)} {mend}")
        return path, read_toml(path, self.error, give=f"the path of a {self.kind}'s .toml file", damaged=self.damaged)
