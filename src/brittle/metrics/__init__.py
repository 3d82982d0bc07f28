"""Numbers from the rows of attacks: pure functions of Arrow tables, each rate with its interval. Never runs a model."""

from brittle.metrics.classes import ClassRow, per_class
from brittle.metrics.confusion import Pair, confusion_matrix, label_pairs
from brittle.metrics.curves import Curve, Outcome, security_curve
from brittle.metrics.estimate import Estimate, bootstrap, wilson
from brittle.metrics.hardness import adversarial_distance, correlation, hardness, limited, pair_means, robustness
from brittle.metrics.rates import (
    broken,
    clean_accuracy,
    robust_accuracy,
    rounded_success_rate,
    rounding_survival,
    success_rate,
)
from brittle.metrics.rows import common_images, nearest_examples
from brittle.metrics.sizes import lattice_cost, mean_size, median_size, minimal_sizes, rho_adv, size_quantiles

__all__ = [
    "ClassRow",
    "Curve",
    "Estimate",
    "Outcome",
    "Pair",
    "adversarial_distance",
    "bootstrap",
    "broken",
    "clean_accuracy",
    "common_images",
    "confusion_matrix",
    "correlation",
    "hardness",
    "label_pairs",
    "lattice_cost",
    "limited",
    "mean_size",
    "median_size",
    "minimal_sizes",
    "nearest_examples",
    "pair_means",
    "per_class",
    "rho_adv",
    "robust_accuracy",
    "robustness",
    "rounded_success_rate",
    "rounding_survival",
    "security_curve",
    "size_quantiles",
    "success_rate",
    "wilson",
]
