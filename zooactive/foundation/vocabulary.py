"""The closed lists of words that options and settings take, known without loading what they name."""

from __future__ import annotations

BACKBONES = (
    "efficientnet_b0",
    "efficientnet_b0_imagenet",
    "efficientnet_b0_timm",
    "efficientnet_lite0",
    "resnet26",
    "small_cnn",
)
"""Networks that come with zooactive; others can be registered."""

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
"""What networks compute in."""

OPTIMIZERS = ("adamw", "sgd")

LOSSES = ("dirichlet_multinomial", "binomial")

POLICIES = ("head", "last", "staged", "all")
"""What of a model learns in fine-tuning."""

DRAWS = ("dropout", "laplace")
"""Where a model's draws come from."""

GONE_DRAWS = {
    "ensemble": "draws by an ensemble of heads are gone, since dropout's were as good on test galaxies; use 'laplace'"
}
"""Kinds of draws that earlier versions had, with what to say of them."""

KEEPS = ("means", "summaries", "embeddings", "draws")
"""What predictions store, each with all before it."""

ENGINES = ("local", "ray")
"""Who predicts."""

SCORES = ("mutual_information", "one_vote", "entropy", "variance", "epig", "random")
"""What `zooactive.acquire` chooses by."""

STRATEGIES = ("mutual_information", "one_vote", "entropy", "variance", "epig", "diversity", "random")
"""The scores of `zooactive.acquire`, and "diversity": of three times as many galaxies with much information, those that do
not look alike."""

MOST = ("certain", "uncertain", "informative")
"""What the galaxies that `zooactive top` lists have most of."""
