"""Where the data that come with zooactive lie: trees, tasks, recipes, samples, the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import TreeError, ZooactiveError, did_you_mean
from zooactive.foundation.parsing import read_toml


def catalogs_folder() -> Path:
    """Return where the trees, tasks and samples lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "catalogs", package.parent / "catalogs"):
        if (folder / "trees").is_dir():
            return folder
    raise TreeError(f"the folder catalogs is missing beside {package}; install zooactive again")


@dataclass(frozen=True)
class NamedFiles:
    """TOML files of one kind: those that come with zooactive have names, one's own have paths that end in ``.toml``.

    Parameters
    ----------
    folder : str
        Of `catalogs_folder`.
    kind : str
        What a file holds, such as "class rule".
    error : type
        Raised where there is no such file, or where it cannot be read.
    mend : str
        Ends what is said of an unknown name; ``{known}`` is filled in with the names.
    damaged : str
        What is said of a file that is no TOML.
    """

    folder: str
    kind: str
    error: type[ZooactiveError]
    mend: str
    damaged: str = "is no readable TOML"

    def names(self) -> tuple[str, ...]:
        """Return the names of the files that come with zooactive, sorted."""
        return tuple(sorted(path.stem for path in (catalogs_folder() / self.folder).glob("*.toml")))

    def read(self, name: str | Path) -> tuple[Path, dict[str, Any]]:
        """Return where the file of this name or path lies, and what it says."""
        if str(name).endswith(".toml"):
            path = Path(name)
        elif str(name) in (names := self.names()):
            path = catalogs_folder() / self.folder / f"{name}.toml"
        else:
            mend = self.mend.format(known=", ".join(names))
            raise self.error(f"there is no {self.kind} '{name}'.{did_you_mean(str(name), names)} {mend}")
        return path, read_toml(path, self.error, give=f"the path of a {self.kind}'s .toml file", damaged=self.damaged)
