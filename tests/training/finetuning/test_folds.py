from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import TrainingError
from zooactive.training.finetuning.folds import stratified_folds, stratified_split
from zooactive.tree import load_tree


def catalogue(labels, **columns):
    votes = np.eye(2)[np.asarray(labels)]
    ids = np.array([f"g{i}" for i in range(len(labels))], dtype=object)
    table = pd.DataFrame(columns, index=range(len(labels)))
    return Catalogue(ids, (None,) * len(labels), votes, load_tree("rings"), table, "labels.csv", 1)


LABELS = np.arange(200) % 7 == 0  # 29 of 200


def test_every_fold_has_as_many_of_each_label_give_or_take_one():
    fold = stratified_folds(catalogue(LABELS.astype(int)), 5)
    for label in (True, False):
        counts = np.bincount(fold[label == LABELS], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(fold).tolist() == [40] * 5


def test_folds_hang_on_ids_and_seed_and_not_on_the_order_of_rows():
    whole = catalogue(LABELS.astype(int))
    order = np.random.default_rng(0).permutation(200)
    assert np.array_equal(stratified_folds(whole.take(order), 5), stratified_folds(whole, 5)[order])
    assert not np.array_equal(stratified_folds(whole, 5, seed=1), stratified_folds(whole, 5))


def test_a_split_gives_every_part_its_share_of_each_label():
    parts = stratified_split(catalogue(LABELS.astype(int)), (0.6, 0.15, 0.25))
    assert sorted(np.concatenate([part.ids for part in parts])) == sorted(f"g{i}" for i in range(200))
    for part, ratio in zip(parts, (0.6, 0.15, 0.25), strict=True):
        assert abs(part.votes[:, 1].sum() - 29 * ratio) <= 1
        assert abs(part.votes[:, 0].sum() - 171 * ratio) <= 1


def test_galaxies_of_one_place_stay_together():
    ra = np.repeat(np.arange(50.0), 2)
    twins = catalogue(np.zeros(100, int), ra=ra, dec=np.zeros(100))
    fold = stratified_folds(twins, 5)
    assert (fold[::2] == fold[1::2]).all()
    assert len(np.unique(fold)) == 5
    for part in stratified_split(twins, (0.5, 0.5)):
        assert set(np.bincount(part.table["ra"].astype(int))) <= {0, 2}


def test_more_folds_than_galaxies_are_refused():
    with pytest.raises(TrainingError, match="5 folds of 3"):
        stratified_folds(catalogue([0, 1, 0]), 5)
