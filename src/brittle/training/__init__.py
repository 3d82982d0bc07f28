"""Training of networks."""

from brittle.training.accumulated import AccumulatedTraining
from brittle.training.accuracy import accuracy
from brittle.training.adversarial import AdversarialTraining, adversarial_batch
from brittle.training.epoch import Epoch
from brittle.training.fine_tuning import perturbed_once
from brittle.training.fit import History, fit
from brittle.training.free import FreeTraining
from brittle.training.held_out import HeldOut, robust_accuracy
from brittle.training.named import train_named
from brittle.training.objective import CrossEntropy, Mixed, Trades
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.universal_pool import UniversalPool
from brittle.training.weights import save_weights, training_story

train = fit
"""As `fit` was called in the version before."""

__all__ = [
    "RECIPES",
    "AccumulatedTraining",
    "AdversarialTraining",
    "CrossEntropy",
    "Epoch",
    "FreeTraining",
    "HeldOut",
    "History",
    "Mixed",
    "PlainTraining",
    "Trades",
    "UniversalPool",
    "accuracy",
    "adversarial_batch",
    "fit",
    "perturbed_once",
    "robust_accuracy",
    "save_weights",
    "train",
    "train_named",
    "training_story",
]
