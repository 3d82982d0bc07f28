"""Numbers from the rows of attacks: pure functions of Arrow tables, each rate with its interval. Never runs a model."""

from brittle.metrics.alike import class_entropy, difference, pairwise_similarity
from brittle.metrics.classes import ClassRow, per_class
from brittle.metrics.confusion import Pair, confusion_matrix, label_pairs
from brittle.metrics.curves import Curve, Outcome, median_smallest, security_curve, smallest_sizes
from brittle.metrics.depth import DepthErrors, depth_errors
from brittle.metrics.destruction import adversarial_at, destruction_rate, right_at, top_accuracy
from brittle.metrics.estimate import Estimate, jackknife, mean, proportion, quantile, without_interval
from brittle.metrics.hardness import adversarial_distance, correlation, hardness, limited, pair_means, robustness
from brittle.metrics.optimality import optimality
from brittle.metrics.paired import PairedRates, least_drop, most_drop, paired_rates, size_ratio
from brittle.metrics.rates import (
    broken,
    caught,
    clean_accuracy,
    false_alarms,
    has_detector,
    refused_rate,
    robust_accuracy,
    rounded_success_rate,
    rounding_survival,
    standing,
    success_rate,
)
from brittle.metrics.rows import common_images, nearest_examples
from brittle.metrics.segmentation import agreement, intersection_over_union, mean_iou, pixel_confusion
from brittle.metrics.sizes import mean_size, median_size, minimal_sizes, quantization_cost, rho_adv, size_quantiles
from brittle.metrics.transfer import transfer_rate
from brittle.metrics.universal import (
    LabelEdge,
    LabelGraph,
    dimensions,
    fooling_rate,
    inner_products,
    label_graph,
    largest_inner_product,
    reaching_rate,
)

__all__ = [
    "ClassRow",
    "Curve",
    "DepthErrors",
    "Estimate",
    "LabelEdge",
    "LabelGraph",
    "Outcome",
    "Pair",
    "PairedRates",
    "adversarial_at",
    "adversarial_distance",
    "agreement",
    "broken",
    "caught",
    "class_entropy",
    "clean_accuracy",
    "common_images",
    "confusion_matrix",
    "correlation",
    "depth_errors",
    "destruction_rate",
    "difference",
    "dimensions",
    "false_alarms",
    "fooling_rate",
    "hardness",
    "has_detector",
    "inner_products",
    "intersection_over_union",
    "jackknife",
    "label_graph",
    "label_pairs",
    "largest_inner_product",
    "least_drop",
    "limited",
    "mean",
    "mean_iou",
    "mean_size",
    "median_size",
    "median_smallest",
    "minimal_sizes",
    "most_drop",
    "nearest_examples",
    "optimality",
    "pair_means",
    "paired_rates",
    "pairwise_similarity",
    "per_class",
    "pixel_confusion",
    "proportion",
    "quantile",
    "quantization_cost",
    "reaching_rate",
    "refused_rate",
    "rho_adv",
    "right_at",
    "robust_accuracy",
    "robustness",
    "rounded_success_rate",
    "rounding_survival",
    "security_curve",
    "size_quantiles",
    "size_ratio",
    "smallest_sizes",
    "standing",
    "success_rate",
    "top_accuracy",
    "transfer_rate",
    "without_interval",
]
