"""The studies that come with the package, with their titles and sources as data.

A new study is its file and its entry here; a test compares the entry with the study.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """What a list says of a study without importing it.

    Attributes:
        at: module below `brittle.studies` and the study's name in it, "MODULE:NAME".
        title: of the study, in one line.
        source: the paper.
    """

    at: str
    title: str
    source: str


_ADEF = (
    "R. Alaifari, G. S. Alberti, T. Gauksson, ADef: an iterative algorithm to construct adversarial deformations, "
    "ICLR 2019, arXiv:1804.07729"
)
_ATHALYE = (
    "A. Athalye, N. Carlini, D. Wagner, Obfuscated gradients give a false sense of security: circumventing defenses to "
    "adversarial examples, ICML 2018, arXiv:1802.00420"
)
_OPTIMALITY = (
    "A. E. Cinà et al., AttackBench: evaluating gradient-based attacks for adversarial examples, AAAI 2025, "
    "arXiv:2404.19460"
)
_CARLINI_WAGNER = (
    "N. Carlini, D. Wagner, Towards evaluating the robustness of neural networks, IEEE S&P 2017, arXiv:1608.04644"
)
_DEEPFOOL = (
    "S.-M. Moosavi-Dezfooli, A. Fawzi, P. Frossard, DeepFool: a simple and accurate method to fool deep neural "
    "networks, CVPR 2016, arXiv:1511.04599"
)
_FAST = (
    "E. Wong, L. Rice, J. Z. Kolter, Fast is better than free: revisiting adversarial training, ICLR 2020, "
    "arXiv:2001.03994; A. Shafahi et al., Adversarial training for free!, NeurIPS 2019, arXiv:1904.12843"
)
_GD_UAP = (
    "K. R. Mopuri, A. Ganeshan, R. V. Babu, Generalizable data-free objective for crafting universal adversarial "
    "perturbations, TPAMI 2018, arXiv:1801.08092"
)
_JSMA = (
    "N. Papernot, P. McDaniel, S. Jha, M. Fredrikson, Z. B. Celik, A. Swami, The limitations of deep learning in "
    "adversarial settings, EuroS&P 2016, arXiv:1511.07528"
)
_LBFGS = (
    "C. Szegedy, W. Zaremba, I. Sutskever, J. Bruna, D. Erhan, I. Goodfellow, R. Fergus, Intriguing properties of "
    "neural networks, ICLR 2014, arXiv:1312.6199"
)
_MADRY = (
    "A. Madry, A. Makelov, L. Schmidt, D. Tsipras, A. Vladu, Towards deep learning models resistant to adversarial "
    "attacks, ICLR 2018, arXiv:1706.06083"
)
_ONE_PIXEL = (
    "J. Su, D. V. Vargas, K. Sakurai, One pixel attack for fooling deep neural networks, IEEE Transactions on "
    "Evolutionary Computation 2019, arXiv:1710.08864"
)
_PHYSICAL = (
    "A. Kurakin, I. Goodfellow, S. Bengio, Adversarial examples in the physical world, ICLR 2017 workshop track, "
    "arXiv:1607.02533"
)
_FAULTS = "the sources that docs/health.md names for each check"
_TRANSFER = (
    "Y. Dong et al., Boosting adversarial attacks with momentum, CVPR 2018, arXiv:1710.06081; C. Xie et al., "
    "Improving transferability of adversarial examples with input diversity, CVPR 2019, arXiv:1803.06978; Y. Dong et "
    "al., Evading defenses to transferable adversarial examples by translation-invariant attacks, CVPR 2019, "
    "arXiv:1904.02884"
)
_UAP = (
    "S.-M. Moosavi-Dezfooli, A. Fawzi, O. Fawzi, P. Frossard, Universal adversarial perturbations, CVPR 2017, "
    "arXiv:1610.08401"
)

LISTED: dict[str, Listed] = {
    "adef": Listed(
        "adef.table:ADEF",
        "Deformations of at most three pixels: how many images they break",
        _ADEF + ", table 1",
    ),
    "adef-adversarial-training": Listed(
        "adef.adversarial_training:ADEF_ADVERSARIAL_TRAINING",
        "Deformations and small changes against networks trained on the one and on the other",
        _ADEF + ", table of adversarially trained networks",
    ),
    "adef-norms": Listed(
        "adef.norms:ADEF_NORMS",
        "How long the deformations are that break an image",
        _ADEF + ", figures of the T-norms",
    ),
    "adef-scattering": Listed(
        "adef.scattering:ADEF_SCATTERING",
        "Deformations against networks of fixed wavelets",
        _ADEF,
    ),
    "adef-targeted": Listed(
        "adef.targeted:ADEF_TARGETED",
        "Deformations towards any class and towards a given one",
        _ADEF + ", figures of targeted deformations",
    ),
    "attack-optimality": Listed(
        "optimality.attack_optimality:ATTACK_OPTIMALITY",
        "How close every minimum-norm attack comes to the smallest changes known",
        _OPTIMALITY,
    ),
    "carlini-wagner-grid": Listed(
        "carlini_wagner.grid:CARLINI_WAGNER_GRID",
        "The smallest changes from every class to every other one, in three norms",
        _CARLINI_WAGNER + ", table IV",
    ),
    "deepfool-fine-tuning": Listed(
        "deepfool.fine_tuning:DEEPFOOL_FINE_TUNING",
        "Robustness and test error after fine-tuning on images of DeepFool, of fast gradient sign, and clean ones",
        _DEEPFOOL + ", figures 6, 7 and 9 and table 3",
    ),
    "deepfool-robustness": Listed(
        "deepfool.robustness:DEEPFOOL_ROBUSTNESS",
        "Average robustness of image classifiers by DeepFool, fast gradient sign and L-BFGS",
        _DEEPFOOL + ", tables 1 and 2",
    ),
    "defensive-distillation": Listed(
        "distilled.defensive:DEFENSIVE_DISTILLATION",
        "Distilled networks: no gradient of the softmax loss, and nothing gained",
        _CARLINI_WAGNER,
    ),
    "fast-training": Listed(
        "fast.training:FAST_TRAINING",
        "Adversarial training in one step, in several and for free: cost, accuracy and collapse",
        _FAST,
    ),
    "gd-uap-cross-model": Listed(
        "gd_uap.cross_model:GD_UAP_CROSS_MODEL",
        "Data-free universal perturbations made for one network, shown to others",
        _GD_UAP,
    ),
    "gd-uap-depth": Listed(
        "gd_uap.depth:GD_UAP_DEPTH",
        "Data-free perturbations of depth estimation",
        _GD_UAP + ", section 4.4",
    ),
    "gd-uap-priors": Listed(
        "gd_uap.priors:GD_UAP_PRIORS",
        "Data-free universal perturbations, with and without a prior about the images",
        _GD_UAP,
    ),
    "gd-uap-segmentation": Listed(
        "gd_uap.segmentation:GD_UAP_SEGMENTATION",
        "Data-free perturbations of semantic segmentation",
        _GD_UAP + ", section 4.3",
    ),
    "jsma-hardness": Listed(
        "jsma.hardness:JSMA_HARDNESS",
        "Which class can be led to which by few features, and how hard that is",
        _JSMA + ", section 5",
    ),
    "lbfgs-cross-model": Listed(
        "lbfgs.cross_model:LBFGS_CROSS_MODEL",
        "Examples that L-BFGS finds for one network, shown to networks of other architecture",
        _LBFGS + ", section 4.2",
    ),
    "lbfgs-cross-training-set": Listed(
        "lbfgs.cross_training_set:LBFGS_CROSS_TRAINING_SET",
        "Examples that L-BFGS finds for one network, shown to networks trained on other images",
        _LBFGS + ", section 4.2",
    ),
    "madry-mnist": Listed(
        "madry.mnist:MADRY_MNIST",
        "A network trained on PGD, attacked by itself and from other networks",
        _MADRY + ", table of MNIST",
    ),
    "obfuscated-gradients": Listed(
        "obfuscated.gradients:OBFUSCATED_GRADIENTS",
        "Defences that hide gradients, attacked naively and adaptively",
        _ATHALYE + ", table 1",
    ),
    "one-pixel": Listed(
        "one_pixel.table:ONE_PIXEL",
        "Success of one-, three- and five-pixel attacks by differential evolution",
        _ONE_PIXEL + ", tables of results",
    ),
    "physical-world": Listed(
        "physical.world:PHYSICAL_WORLD",
        "How many adversarial images a photograph makes harmless",
        _PHYSICAL + ", tables of accuracies and of the destruction rate",
    ),
    "planted-faults": Listed(
        "faults.study:PLANTED_FAULTS",
        "Evaluation health: planted faults and their sound twins",
        _FAULTS,
    ),
    "transfer": Listed(
        "transfer.matrix:TRANSFER",
        "Changes made on some networks, shown to others: momentum, diverse inputs, smooth gradients, ensembles",
        _TRANSFER,
    ),
    "uap-cross-model": Listed(
        "uap.cross_model:UAP_CROSS_MODEL",
        "Whether a universal perturbation made for one network fools others",
        _UAP + ", table 2",
    ),
    "uap-diversity": Listed(
        "uap.diversity:UAP_DIVERSITY",
        "How alike universal perturbations are that differ in the shuffling of X",
        _UAP + ", the section on diversity",
    ),
    "uap-fooling": Listed(
        "uap.fooling:UAP_FOOLING",
        "How many images one universal perturbation fools",
        _UAP + ", table 1",
    ),
    "uap-geometry": Listed(
        "uap.geometry:UAP_GEOMETRY",
        "Which directions fool, and how many dimensions they have",
        _UAP + ", the section on explaining the vulnerability",
    ),
    "uap-labels": Listed(
        "uap.labels:UAP_LABELS",
        "Into which classes a universal perturbation leads images",
        _UAP + ", the section on dominant labels",
    ),
    "uap-set-size": Listed(
        "uap.set_size:UAP_SET_SIZE",
        "How many images a universal perturbation must be made from",
        _UAP + ", the figure on the size of X",
    ),
    "universal-fine-tuning": Listed(
        "uap.fine_tuning:UNIVERSAL_FINE_TUNING",
        "How many images a new universal perturbation fools after training on a pool of them",
        _UAP + ", the section on fine-tuning",
    ),
    "units-and-directions": Listed(
        "units.directions:UNITS_AND_DIRECTIONS",
        "What single units of a layer answer to, and what random directions do",
        _LBFGS + ", section 3",
    ),
}
"""The studies that come with brittle."""
