"""Training of networks."""

from brittle.training.adversarial import AdversarialTraining
from brittle.training.fine_tuning import perturbed_once
from brittle.training.plain import Epoch, History, accuracy, train, train_named
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.universal_pool import UniversalPool
from brittle.training.weights import save_weights, training_story

__all__ = [
    "RECIPES",
    "AdversarialTraining",
    "Epoch",
    "History",
    "PlainTraining",
    "UniversalPool",
    "accuracy",
    "perturbed_once",
    "save_weights",
    "train",
    "train_named",
    "training_story",
]
