"""The settings of ``zooactive.toml``, shared by every job of a workspace, and the galaxies that it names."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zooactive.catalogue import Catalogue, Preprocessing, load_rule, read_catalogue
from zooactive.catalogue.reading import is_folder_of_images
from zooactive.catalogue.tables import tree_of_shards
from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.remote_folders import bring, folder_here
from zooactive.foundation.settings import replaced
from zooactive.foundation.writing import file_hash, how_of
from zooactive.models.config import Network
from zooactive.training.config import TrainingConfig
from zooactive.training.recipes import Recipe, load_recipe
from zooactive.tree import DecisionTree, load_tree
from zooactive.workspace.sections import FILE, Acquire, Allocate, Pool, Rounds, Survey, TaskLabels, Zooniverse


@dataclass(frozen=True)
class Settings:
    """The settings of ``zooactive.toml``, with absolute paths.

    Examples
    --------
    >>> Settings(Path("/nowhere")).acquire.n
    500
    """

    folder: Path
    survey: Survey = field(default_factory=Survey)
    model: Network = field(default_factory=Network)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pool: Pool = field(default_factory=Pool)
    acquire: Acquire = field(default_factory=Acquire)
    allocate: Allocate = field(default_factory=Allocate)
    loop: Rounds = field(default_factory=Rounds)
    zooniverse: Zooniverse = field(default_factory=Zooniverse)
    tasks: Mapping[str, TaskLabels] = field(default_factory=dict)
    recipe: Recipe | None = None

    def with_recipe(self, name: str | Path) -> Settings:
        """Return a workspace with the model and the training of a recipe; the folder of the run does not change."""
        recipe = load_recipe(name)
        model = replace(recipe.network, folder=self.model.folder)
        return replace(self, model=model, training=recipe.training, recipe=recipe)

    def with_options(self, **sections: Mapping[str, Any]) -> Settings:
        """Return a workspace in which the options that are not None override what the file says."""
        changed = {
            name: replaced(getattr(self, name), {key: value for key, value in options.items() if value is not None})
            for name, options in sections.items()
        }
        return replace(self, **changed)

    def with_folders_here(self) -> Settings:
        """Return a workspace in which local folders replace the URLs to which its jobs write."""
        return self.with_options(
            pool={"predictions": folder_here(self.pool.predictions)}, survey={"shards": folder_here(self.survey.shards)}
        )

    def read_survey(self) -> Catalogue:
        """Read the galaxies with votes: from the packed shards if there are some, otherwise from the catalogue.

        Raises
        ------
        WorkspaceError
            If the workspace names no catalogue or no tree.
        """
        return self._rehearsed(self._everything())

    def read_originals(self) -> Catalogue:
        """Read the galaxies from the catalogue itself, with all votes; with a rule, read their clean classes.

        Raises
        ------
        WorkspaceError
            If the workspace names no catalogue or no tree.
        """
        survey = self.survey
        self._refuse_nameless()
        assert survey.catalogue is not None
        galaxies = read_catalogue(
            survey.catalogue,
            tree=survey.tree,
            images=survey.images,
            id_column=survey.id_column,
            image_column=survey.image_column,
            label_column=survey.label_column,
            volunteers=survey.volunteers,
            min_votes=survey.min_votes,
            where=survey.where,
            max_set_aside=survey.max_set_aside,
        )
        return galaxies if survey.rule is None else load_rule(survey.rule).apply(galaxies)

    def survey_tree(self) -> DecisionTree:
        """Return the tree of the galaxies that `read_survey` reads: that of the survey's votes, or of a rule's classes.

        Raises
        ------
        WorkspaceError
            If the workspace names no tree.
        """
        if self.survey.rule is not None:
            return load_rule(self.survey.rule).result
        return self._tree_of_votes()

    def _refuse_nameless(self) -> None:
        if self.survey.catalogue is None and self.default_task is not None:
            raise WorkspaceError(
                f"this workspace has only labels of '{self.default_task}'; `zooactive finetune` trains on them and measures "
                "the result on held-out galaxies. For a survey with votes, give --catalogue"
            )
        if self.survey.catalogue is None:
            raise WorkspaceError(
                f"no catalogue is named; give --catalogue, or set catalogue under [survey] in {self.folder / FILE} "
                "(`zooactive init` writes one)"
            )
        self._tree_of_votes()

    def _tree_of_votes(self) -> DecisionTree:
        """Return the tree that is named, or the tree of a catalogue of shards."""
        if self.survey.tree is not None:
            return load_tree(self.survey.tree)
        stored = self._stored_tree()
        if stored is None:
            raise WorkspaceError(
                f"no decision tree is named; give --tree, or set tree under [survey] in {self.folder / FILE} "
                "(`zooactive trees` lists them)"
            )
        return DecisionTree.from_dict(stored, where=str(self.survey.catalogue))

    def _stored_tree(self) -> dict[str, Any] | None:
        return None if self.survey.catalogue is None else tree_of_shards(self.survey.catalogue)

    @property
    def has_tree(self) -> bool:
        """Return whether it is known what the survey's volunteers were asked."""
        return self.survey.rule is not None or self.survey.tree is not None or self._stored_tree() is not None

    @property
    def default_task(self) -> str | None:
        """Return the task to use if none is named: the only task of a workspace without a survey of votes."""
        return next(iter(self.tasks)) if len(self.tasks) == 1 and not self.has_tree else None

    def _everything(self) -> Catalogue:
        self._refuse_nameless()
        everything = self._packed_survey() or self.read_originals()
        return everything.only(self.model.questions) if self.model.questions else everything

    def _rehearsed(self, everything: Catalogue) -> Catalogue:
        labelled = self.survey.rehearsal
        return everything if labelled is None else everything.rehearse(labelled, seed=self.survey.split_seed)

    def shards_record(self) -> dict[str, Any]:
        """Return what packed shards of this survey must have been made from: file, columns, votes and pixels."""
        survey = self.survey
        assert survey.catalogue is not None
        catalogue = survey.catalogue
        digest = file_hash(catalogue) if catalogue.is_file() else str(catalogue)
        settings = {
            name: getattr(survey, name) for name in ("id_column", "image_column", "volunteers", "min_votes", "where")
        }
        pixels = self.packed_pixels().to_dict()
        # The whole tree and not only its name, because a user may edit their own tree.
        tree = self._tree_of_votes().to_dict()
        classes: dict[str, Any] = {} if survey.rule is None else {"rule": load_rule(survey.rule).to_dict()}
        classes |= {} if survey.label_column is None else {"label_column": survey.label_column}
        return {"catalogue": digest, "images": str(survey.images), "tree": tree, **classes, **settings, "pixels": pixels}

    def packed_pixels(self) -> Preprocessing:
        """Return how images are packed: wide enough for every augmented view that the training shows."""
        return self.training.augmentation.canvas(self.model.preprocessing())

    def _packed_survey(self) -> Catalogue | None:
        """Return the survey from its shards; None if they were never made, or were made from something different."""
        bring(self.survey.shards)
        made = how_of(self.survey.shards).get("options")
        if made is None:
            return None
        if made == json.loads(json.dumps(self.shards_record())):
            return read_catalogue(self.survey.shards)
        warnings.warn(
            f"{self.survey.shards} was packed from another catalogue or with other settings, so the original images are "
            "read; delete the folder and run `zooactive prepare` again",
            stacklevel=2,
        )
        return None

    def read_pool(self) -> Catalogue:
        """Read the galaxies to choose from: those of ``[pool]``'s own catalogue, or of the survey if it has none."""
        if self.pool.catalogue is None:
            return read_catalogue(self.read_survey(), where=self.pool.where)
        if is_folder_of_images(self.pool.catalogue):
            return read_catalogue(self.pool.catalogue)  # a folder has no columns, whatever columns other tables have
        return read_catalogue(
            self.pool.catalogue,
            images=self.pool.images,
            id_column=self.survey.id_column,
            image_column=self.survey.image_column,
            where=self.pool.where,
        )

    def split_survey(self) -> tuple[Catalogue, ...]:
        """Split the survey's galaxies by hashed id: training, validation, test.

        A rehearsal hides votes only in the training and validation parts, because the test part is never trained on.
        """
        everything, ratios, seed = self._everything(), self.survey.split, self.survey.split_seed
        train, validation, _ = self._rehearsed(everything).split(ratios, seed=seed)
        return train, validation, everything.split(ratios, seed=seed)[-1]
