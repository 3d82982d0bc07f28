"""What an evaluation does where nothing is said, in one table: defaults are a part of the interface."""

import inspect
from collections.abc import Callable

import pytest

from brittle import metrics
from brittle.evaluation import (
    attack,
    audit,
    class_names,
    gate,
    part,
    plan,
    provenance,
    radius,
    subject,
    train,
    universal,
)
from brittle.evaluation.adversarial_images import Saved
from brittle.evaluation.spec import Spec
from brittle.evaluation.trained import Trained
from brittle.health.context import HealthContext
from brittle.health.examine import examine, examine_run
from brittle.metrics.depth import depth_errors
from brittle.metrics.segmentation import pixel_confusion

NOTHING: dict[str, object] = {"question": None, "effort": None, "force": False}
LEVEL: dict[str, object] = {"level": 0.95}
DEFAULTS: list[tuple[Callable[..., object], dict[str, object]]] = [
    (
        audit.audit,
        {**NOTHING, "out": None, "attacks": (), "thorough": False, "command": (), "watch": None, "engine": None},
    ),
    (attack.attack, {**NOTHING, "attack": None, "tell": None}),
    (
        universal.universal,
        {**NOTHING, "attack": "ascent", "held_out": None, "watch": None, "progress": None, "looking": None},
    ),
    (train.train, {**NOTHING, "test": None, "recipe": None, "settings": "", "epochs": None, "attack": None}),
    (train.train, {"fraction": 1.0, "warmup": 0.0, "clean_epochs": 0, "progress": None, "watch": None}),
    (class_names.match_classes, {"order": "auto"}),
    (gate.Gate.of, {"ignore_health": False}),
    (gate.Gate, {"reason": ""}),
    (part.without_final_query, {"eot_samples": 1}),
    (part.survives_rounding, {"eot_samples": 1, "seed": 0}),
    (plan.plan, {"access": "white_box", "budget": None}),
    (provenance.provenance, {"ask": None, "known": None, "chosen": ()}),
    (radius.check_reach, {"bounds": None}),
    (radius.unusual_radius, {"asked": True}),
    (subject.open_subject, {"device": None}),
    (subject.opened, {"device": None}),
    (subject.OpenedSubject.said, {"remarks": ()}),
    (Saved, {"flow": None, "lost": False}),
    (Spec, {"radius": None}),
    (Trained, {"said": ()}),
    (HealthContext, {"weights": "", "seed": 0, "batch": 256, "quantization": None, "thorough": False}),
    (HealthContext, {"silent": False, "eot_samples": 1}),
    (HealthContext.attack, {"seed": None, "quantization": None, "trace": False}),
    (HealthContext.attacked, {"gradients": True}),
    (examine, {"run": ""}),
    (examine_run, {"thorough": False}),
    (metrics.per_class, {**LEVEL, "radius": None}),
    (metrics.Outcome, {"radius": None}),
    (metrics.median_smallest, LEVEL),
    (metrics.security_curve, {**LEVEL, "radii": None}),
    (metrics.proportion, LEVEL),
    (metrics.mean, {**LEVEL, "bounds": None, "seed": 0}),
    (metrics.jackknife, {**LEVEL, "seed": 0}),
    (metrics.quantile, LEVEL),
    (metrics.optimality, {**LEVEL, "seed": 0}),
    (metrics.clean_accuracy, LEVEL),
    (metrics.broken, {"p": None, "radius": None}),
    (metrics.robust_accuracy, {**LEVEL, "p": None, "radius": None}),
    (metrics.success_rate, {**LEVEL, "p": None, "radius": None}),
    (metrics.rounded_success_rate, LEVEL),
    (metrics.rounding_survival, LEVEL),
    (metrics.minimal_sizes, {"p": None}),
    (metrics.median_size, {**LEVEL, "p": None}),
    (metrics.size_quantiles, {**LEVEL, "p": None, "levels": (0.1, 0.25, 0.5, 0.75, 0.9)}),
    (metrics.mean_size, {**LEVEL, "p": None, "seed": 0}),
    (metrics.rho_adv, {**LEVEL, "p": "l2", "seed": 0, "found_only": False}),
    (metrics.quantization_cost, LEVEL),
    (metrics.dimensions, {"fraction": 0.5}),
    (metrics.label_graph, {"least": 1}),
    (depth_errors, {"least": 1e-3}),
    (pixel_confusion, {"ignored": None}),
]


@pytest.mark.parametrize(("function", "expected"), DEFAULTS, ids=lambda one: getattr(one, "__name__", ""))
def test_where_nothing_is_said(function: Callable[..., object], expected: dict[str, object]):
    parameters = inspect.signature(function).parameters
    found = {name: parameters[name].default for name in expected}
    assert found == expected
    assert {name: type(value) for name, value in found.items()} == {name: type(one) for name, one in expected.items()}
