"""What the command line must know without loading what it is about: closed lists of words, and a default.

Each list is a type of its words and, beside it, the words in the order in which people are told of them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Backbone: TypeAlias = Literal[
    "convnext_base",
    "convnext_nano",
    "convnext_pico",
    "convnext_small",
    "convnext_tiny",
    "efficientnet_b0",
    "efficientnet_b0_imagenet",
    "efficientnet_b0_timm",
    "efficientnet_lite0",
    "efficientnetv2_s",
    "resnet101",
    "resnet18",
    "resnet26",
    "resnet50",
    "small_cnn",
]
BACKBONES: tuple[Backbone, ...] = get_args(Backbone)
"""Networks that come with zooactive; others can be registered."""

Precision: TypeAlias = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""What networks compute in."""

Optimizer: TypeAlias = Literal["adamw", "sgd"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)

Loss: TypeAlias = Literal["dirichlet_multinomial", "binomial"]
LOSSES: tuple[Loss, ...] = get_args(Loss)

Policy: TypeAlias = Literal["auto", "head", "last", "staged", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
"""What of a model learns in fine-tuning."""

DrawKind: TypeAlias = Literal["dropout", "laplace"]
DRAWS: tuple[DrawKind, ...] = get_args(DrawKind)
"""Where a model's draws come from."""

GONE = {"ensemble": "draws by an ensemble of heads are gone, since dropout's were as good on test galaxies; use 'laplace'"}
"""Kinds of draws that earlier versions had, with what to say of them."""


CutoutForm: TypeAlias = Literal["jpg", "fits"]
CUTOUT_FORMS: tuple[CutoutForm, ...] = get_args(CutoutForm)
"""Kinds of files in which services of cutouts give images."""

Form: TypeAlias = Literal["onnx", "litert"]
FORMS: tuple[Form, ...] = get_args(Form)
"""What `zooactive.convert` writes a model as."""

Keep: TypeAlias = Literal["means", "summaries", "embeddings", "draws"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
"""What predictions store, each with all before it."""

EngineName: TypeAlias = Literal["local", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
"""Who predicts."""

Score: TypeAlias = Literal["mutual_information", "one_vote", "entropy", "variance", "epig", "random"]
SCORES: tuple[Score, ...] = get_args(Score)
"""What `zooactive.acquire` chooses by."""

Strategy: TypeAlias = Score | Literal["diversity"]
STRATEGIES: tuple[Strategy, ...] = (*SCORES[:-1], "diversity", *SCORES[-1:])
"""The scores of `zooactive.acquire`, and "diversity": of three times as many galaxies with much information, those that do
not look alike."""

LoopStrategy: TypeAlias = Strategy | Literal["auto"]
LOOP_STRATEGIES: tuple[LoopStrategy, ...] = ("auto", *STRATEGIES)
"""What rounds choose by: "auto" decides in every round between a strategy and random choice."""

MapKind: TypeAlias = Literal["pca", "umap"]
MAP_KINDS: tuple[MapKind, ...] = get_args(MapKind)
"""How a report draws a map of embeddings."""

LearnerKind: TypeAlias = Literal["network", "head"]
LEARNERS: tuple[LearnerKind, ...] = get_args(LearnerKind)
"""What is trained in the rounds of a loop."""

CaesarRule: TypeAlias = Literal["metadata", "reduction"]
CAESAR_RULES: tuple[CaesarRule, ...] = get_args(CaesarRule)
"""Where Caesar finds after how many volunteers a subject is done: in its metadata, or in a reduction that is put."""

Goal: TypeAlias = Literal["error", "decision", "count", "model"]
GOALS: tuple[Goal, ...] = get_args(Goal)
"""What volunteers' clicks are spent for, see `zooactive.acquisition.Aim`."""

Most: TypeAlias = Literal["certain", "uncertain", "informative"]
MOST: tuple[Most, ...] = get_args(Most)
"""What the galaxies that `zooactive top` lists have most of."""

LabelNext: TypeAlias = Literal["informative", "surest", "both", "random", "different"]
LABEL_NEXT: tuple[LabelNext, ...] = get_args(LabelNext)
"""What somebody who labels may ask to see next: "both" are the most informative galaxy and the surest one, in turn."""

Chosen: TypeAlias = Literal["informative", "surest", "random", "different", "similar", "grid", "again", "named", "before"]
CHOSEN: tuple[Chosen, ...] = get_args(Chosen)
"""How a galaxy came before somebody who labels: as the one whose label tells most, as the surest of an answer, at random, as
unlike all that were seen, as like those of an answer, in a grid of the surest, once more to the same labeller, or by name.
Those with a label that a task had before were not shown."""

MOST_FAILED = 0.05
"""Share of a run's galaxies that may fail before the run says that it is not whole."""
