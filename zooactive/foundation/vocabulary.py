"""Words that the command line must know without loading the modules that use them: closed word lists, and a default.

Each list is a type of its words and, next to it, the words in the order in which users see them.
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
"""The networks that come with zooactive; others can be registered."""

Precision: TypeAlias = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""The precisions in which networks compute."""

Optimizer: TypeAlias = Literal["adamw", "sgd"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)

Loss: TypeAlias = Literal["dirichlet_multinomial", "binomial"]
LOSSES: tuple[Loss, ...] = get_args(Loss)

Policy: TypeAlias = Literal["auto", "head", "last", "staged", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
"""The parts of a model that learn in fine-tuning."""

DrawKind: TypeAlias = Literal["dropout", "laplace"]
DRAWS: tuple[DrawKind, ...] = get_args(DrawKind)
"""The origins of a model's draws."""

GONE = {"ensemble": "draws by an ensemble of heads were removed, since dropout was as good on test galaxies; use 'laplace'"}
"""Kinds of draws that earlier versions had, with a message about each."""


CutoutForm: TypeAlias = Literal["jpg", "fits"]
CUTOUT_FORMS: tuple[CutoutForm, ...] = get_args(CutoutForm)
"""The kinds of files in which cutout services return images."""

Form: TypeAlias = Literal["onnx", "litert"]
FORMS: tuple[Form, ...] = get_args(Form)
"""The formats that `zooactive.convert` writes."""

Keep: TypeAlias = Literal["means", "summaries", "embeddings", "draws"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
"""What predictions store, each with all the words before it."""

EngineName: TypeAlias = Literal["local", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
"""The engines that predict."""

Score: TypeAlias = Literal["mutual_information", "one_vote", "entropy", "variance", "epig", "random"]
SCORES: tuple[Score, ...] = get_args(Score)
"""The strategies of `zooactive.acquire`."""

Strategy: TypeAlias = Score | Literal["diversity"]
STRATEGIES: tuple[Strategy, ...] = (*SCORES[:-1], "diversity", *SCORES[-1:])
"""The scores of `zooactive.acquire`, and "diversity".

"diversity" takes three times as many galaxies with much information, and keeps those that do not look alike.
"""

LoopStrategy: TypeAlias = Strategy | Literal["auto"]
LOOP_STRATEGIES: tuple[LoopStrategy, ...] = ("auto", *STRATEGIES)
"""The strategies of rounds: "auto" decides in every round between a strategy and random choice."""

MapKind: TypeAlias = Literal["pca", "umap"]
MAP_KINDS: tuple[MapKind, ...] = get_args(MapKind)
"""How a report draws a map of embeddings."""

LearnerKind: TypeAlias = Literal["network", "head"]
LEARNERS: tuple[LearnerKind, ...] = get_args(LearnerKind)
"""The parts of a model that are trained in the rounds of a loop."""

CaesarRule: TypeAlias = Literal["metadata", "reduction"]
CAESAR_RULES: tuple[CaesarRule, ...] = get_args(CaesarRule)
"""Where Caesar finds the number of volunteers after which a subject is done: in its metadata, or in a reduction."""

Goal: TypeAlias = Literal["error", "decision", "count", "model"]
GOALS: tuple[Goal, ...] = get_args(Goal)
"""What volunteers' clicks are spent on, see `zooactive.acquisition.Aim`."""

Most: TypeAlias = Literal["certain", "uncertain", "informative"]
MOST: tuple[Most, ...] = get_args(Most)
"""The property by which `zooactive top` sorts galaxies."""

LabelNext: TypeAlias = Literal["informative", "surest", "both", "random", "different"]
LABEL_NEXT: tuple[LabelNext, ...] = get_args(LabelNext)
"""What a labeller may ask to see next: "both" alternates the most informative galaxy and the most likely one."""

Chosen: TypeAlias = Literal["informative", "surest", "random", "different", "similar", "grid", "again", "named", "before"]
CHOSEN: tuple[Chosen, ...] = get_args(Chosen)
"""Why a galaxy was shown to a labeller: as the most informative one, as the most likely one for an answer, at random, as
unlike all that were seen, as similar to those of an answer, in a grid of the most likely ones, a second time to the same
labeller, or by name. Galaxies that a task had labels for before were not shown."""

MOST_FAILED = 0.05
"""The share of a run's galaxies that may fail before the run counts as incomplete."""
