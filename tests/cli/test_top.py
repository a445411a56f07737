"""Which galaxies `zooactive top` lists, and in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from zooactive.cli import app
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.prediction.top import best


class Stored:
    """Predictions in two parts."""

    def __init__(self, posterior: Posterior) -> None:
        self.posterior, self.tree = posterior, posterior.tree

    def __iter__(self):
        yield self.posterior.take(slice(0, 20))
        yield self.posterior.take(slice(20, None))

    def table(self) -> pd.DataFrame:
        return self.posterior.to_table()


@pytest.fixture
def stored(tree) -> Stored:
    alpha = np.random.default_rng(3).gamma(1.5, 4, (6, 50, len(tree.columns))) + 0.2
    return Stored(Posterior(alpha, [f"g{i:02}" for i in range(50)], tree))


def test_the_surest_have_the_largest_share_of_all_volunteers(stored):
    found = best(stored, "bar_strong", 7)
    joint = stored.posterior.mean()[:, stored.tree.columns.index("bar_strong")]
    share = joint * stored.posterior.asked()[:, stored.tree.questions.index(stored.tree.question_of("bar_strong"))]
    assert found["id"].tolist() == [f"g{i:02}" for i in np.argsort(-share)[:7]]
    least = best(stored, "bar_strong", 2, lowest=True)
    assert least["id"].tolist() == [f"g{i:02}" for i in np.argsort(share)[:2]]


def test_the_least_sure_have_the_widest_fraction_where_it_is_asked(stored):
    found = best(stored, "bar_strong", 50, most="uncertain")
    a = stored.tree.columns.index("bar_strong")
    question = stored.tree.questions.index(stored.tree.question_of("bar_strong"))
    asked = stored.posterior.asked()[:, question]
    doubt = pd.Series(np.sqrt(stored.posterior.variance()[:, a]) * asked, stored.posterior.ids)
    assert found["deviation"].tolist() == pytest.approx(sorted(doubt, reverse=True))
    assert found["id"].iloc[0] == doubt.idxmax()


def test_the_most_informative_are_those_that_the_draws_disagree_about(tree):
    column = tree.columns[0]
    agree = np.ones((2, len(tree.columns))) * 30
    differ = agree.copy()
    differ[0, 0], differ[1, 1] = 300, 300
    wide = np.full((2, len(tree.columns)), 0.1)  # very unsure of the galaxy, with draws that agree
    posterior = Posterior(np.stack([agree, differ, wide], axis=1), ["agree", "differ", "wide"], tree)
    found = best(Stored(posterior), column, 3, most="informative")
    assert found["id"].iloc[0] == "differ"
    assert found["information"].tolist()[1:] == pytest.approx([0, 0], abs=1e-6)
    assert best(Stored(posterior), column, 1, most="uncertain")["id"].tolist() == ["wide"]


def test_an_unknown_order_is_refused_with_those_that_are_known(stored):
    with pytest.raises(PosteriorError, match="Did you mean 'uncertain'"):
        best(stored, "bar_strong", 3, most="uncertian")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a_b", "--answer", "c_d"], "give one"),
        (["--lowest", "--most", "uncertain"], "do not go together"),
        (["--most", "sure"], "certain"),
    ],
)
def test_what_cannot_be_asked_together_is_refused(words, said):
    result = CliRunner().invoke(app, ["top", *words])
    assert result.exit_code == 2
    assert said in result.output
