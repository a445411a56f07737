"""Rounds with volunteers (ask, tell, learn, stop), and rehearsals that measure whether active learning pays."""

from __future__ import annotations

from zooactive.foundation.vocabulary import STRATEGIES
from zooactive.loop.config import LoopConfig
from zooactive.loop.learners import HeadLearner, Learner, NetworkLearner
from zooactive.loop.oracle import draw_votes, vote_table
from zooactive.loop.rehearsal import label_efficiency, learning_curves, rehearse
from zooactive.loop.round_files import Round
from zooactive.loop.rounds import Loop
from zooactive.loop.stopping import stops_at

__all__ = [
    "STRATEGIES",
    "HeadLearner",
    "Learner",
    "Loop",
    "LoopConfig",
    "NetworkLearner",
    "Round",
    "draw_votes",
    "label_efficiency",
    "learning_curves",
    "rehearse",
    "stops_at",
    "vote_table",
]
