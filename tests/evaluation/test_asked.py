"""Which galaxies were really asked a question, and what was answered on them."""

from __future__ import annotations

import numpy as np

from zooactive.evaluation.asked import each_asked, really_asked


def test_a_question_is_really_asked_where_half_of_the_roots_volunteers_reached_it(tree, draw_votes):
    votes = draw_votes(200, seed=3)
    found = really_asked(votes, tree)
    for row, answer in zip(votes, found, strict=True):
        root, edge_on, bar, merging = row[:3].sum(), row[3:5].sum(), row[5:8].sum(), row[8:].sum()
        assert answer.tolist() == [n > 0 and n >= root / 2 for n in (root, edge_on, bar, merging)]
    assert found[:, 1].any()
    assert not found[:, 1].all()
    assert not really_asked(np.zeros((1, 10)), tree).any()


def test_each_question_comes_with_the_galaxies_of_which_it_was_really_asked(tree, draw_votes):
    votes = draw_votes(60, seed=3)
    found, asked = list(each_asked(votes, tree)), really_asked(votes, tree)
    assert [one.question for one in found] == list(tree.questions)
    for one, chosen, where in zip(found, asked.T, tree.slices, strict=True):
        own = votes[chosen][:, where]
        assert one.row() == {"question": one.question.name, "galaxies": int(chosen.sum())}
        assert one.rows.tolist() == np.flatnonzero(chosen).tolist()
        assert np.array_equal(one.of(votes), own)
        assert np.array_equal(one.votes, own)
        assert np.allclose(one.fractions.sum(1), 1)
        assert one.truth.tolist() == [int(np.argmax(row)) for row in own]


def test_a_question_is_asked_of_all_with_votes_where_no_share_is_needed_and_is_taken_on_fewer(tree, draw_votes):
    votes = draw_votes(60, seed=3)
    for one, where in zip(each_asked(votes, tree, min_share=0), tree.slices, strict=True):
        assert one.rows.tolist() == np.flatnonzero(votes[:, where].sum(1) > 0).tolist()
        part = one.take(one.totals > 20)
        assert np.array_equal(part.votes, votes[part.rows, where])
        assert part.totals.tolist() == [n for n in votes[:, where].sum(1) if n > 20]
