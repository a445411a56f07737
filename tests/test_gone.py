"""Names that went say what to use in their place."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize(
    ("module", "name", "mend"),
    [
        ("acquisition", "information_bounds", "use exact_mutual_information"),
        ("acquisition", "conditional_entropy", "Posterior.vote_entropy"),
        ("acquisition", "joint_information", "use greedy_batch"),
        ("evaluation", "binary_metrics", "question_metrics"),
        ("models", "HeadEnsemble", "use LaplaceHead"),
        ("models", "fit_head_ensemble", "use fit_laplace"),
    ],
)
def test_a_name_that_went_says_what_to_use(module, name, mend):
    with pytest.raises(AttributeError, match=f"no attribute '{name}' any more; .*{mend}"):
        getattr(importlib.import_module(f"zooactive.{module}"), name)


@pytest.mark.parametrize("module", ["acquisition", "evaluation", "models"])
def test_a_name_that_never_was_is_no_attribute(module):
    with pytest.raises(AttributeError, match=r"no attribute 'mutual_informatoin'$"):
        _ = importlib.import_module(f"zooactive.{module}").mutual_informatoin


@pytest.mark.parametrize(
    ("module", "before", "now"),
    [("classes", "question_merits", "question_metrics"), ("tasks", "task_merits", "task_metrics")],
)
def test_a_name_of_before_is_the_one_of_now_with_a_warning(module, before, now):
    module = importlib.import_module(f"zooactive.evaluation.{module}")
    with pytest.warns(DeprecationWarning, match=f"{before} is now called {now}"):
        assert getattr(module, before) is getattr(module, now)
