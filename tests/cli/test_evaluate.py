"""What `zooactive evaluate` prints of a tree with one question, whose answers are classes."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.cli.evaluate import print_metrics
from zooactive.evaluation import evaluate
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

CLASSES = ["completely-round-smooth", "in-between-smooth", "cigar-shaped-smooth", "edge-on", "spiral"]


@pytest.mark.parametrize("columns", ["80", "100", "160"])
def test_the_answers_of_a_single_question_and_its_confusion_matrix_are_printed(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    tree = DecisionTree("classes", [Question("class", CLASSES, single_label=True)], votes="class")
    labels, predicted = np.repeat(np.arange(5), 20), np.repeat(np.arange(5), 20)
    predicted[:7] = 4  # seven round ones are taken for spirals
    posterior = Posterior(np.eye(5)[predicted][None] * 9 + 1, [str(i) for i in range(100)], tree)
    print_metrics(evaluate(posterior, np.eye(5)[labels], seen=np.eye(5)[labels], resamples=50))
    said = capsys.readouterr()
    assert said.err == (
        "no room for the columns f1_95%: --json prints all, or widen the terminal\n" if columns == "80" else ""
    )
    assert max(map(len, said.out.splitlines())) <= int(columns)
    lines = [line.split() for line in said.out.splitlines()]
    assert ["volunteers", "\\", "model", "1", "2", "3", "4", "5"] in lines
    assert ["5", "spiral", "0", "0", "0", "0", "20"] in lines
    assert ["1", CLASSES[0], "13", "0", "0", "0", "7"] in lines
    row = next(line for line in lines if line[:1] == ["spiral"])
    assert row[1:4] == ["20", "0.741", "1.000"]  # galaxies, precision 20 / 27, recall
    assert "0.930" in next(line for line in lines if line[:2] == ["class", "100"])
