"""Every study by name; a new one is its file and its line here."""

from brittle.studies.adef import ADEF
from brittle.studies.adef_adversarial_training import ADEF_ADVERSARIAL_TRAINING
from brittle.studies.adef_norms import ADEF_NORMS
from brittle.studies.adef_scattering import ADEF_SCATTERING
from brittle.studies.adef_targeted import ADEF_TARGETED
from brittle.studies.attack_optimality import ATTACK_OPTIMALITY
from brittle.studies.carlini_wagner_grid import CARLINI_WAGNER_GRID
from brittle.studies.deepfool_robustness import DEEPFOOL_ROBUSTNESS
from brittle.studies.gd_uap_cross_model import GD_UAP_CROSS_MODEL
from brittle.studies.gd_uap_depth import GD_UAP_DEPTH
from brittle.studies.gd_uap_priors import GD_UAP_PRIORS
from brittle.studies.gd_uap_segmentation import GD_UAP_SEGMENTATION
from brittle.studies.jsma_hardness import JSMA_HARDNESS
from brittle.studies.lbfgs_cross_model import LBFGS_CROSS_MODEL
from brittle.studies.lbfgs_cross_training_set import LBFGS_CROSS_TRAINING_SET
from brittle.studies.madry_mnist import MADRY_MNIST
from brittle.studies.one_pixel import ONE_PIXEL
from brittle.studies.planted_faults import PLANTED_FAULTS
from brittle.studies.study import Study
from brittle.studies.uap_cross_model import UAP_CROSS_MODEL
from brittle.studies.uap_diversity import UAP_DIVERSITY
from brittle.studies.uap_fooling import UAP_FOOLING
from brittle.studies.uap_geometry import UAP_GEOMETRY
from brittle.studies.uap_labels import UAP_LABELS
from brittle.studies.uap_set_size import UAP_SET_SIZE

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        ADEF,
        ADEF_ADVERSARIAL_TRAINING,
        ADEF_NORMS,
        ADEF_SCATTERING,
        ADEF_TARGETED,
        ATTACK_OPTIMALITY,
        CARLINI_WAGNER_GRID,
        DEEPFOOL_ROBUSTNESS,
        GD_UAP_CROSS_MODEL,
        GD_UAP_DEPTH,
        GD_UAP_PRIORS,
        GD_UAP_SEGMENTATION,
        JSMA_HARDNESS,
        LBFGS_CROSS_MODEL,
        LBFGS_CROSS_TRAINING_SET,
        MADRY_MNIST,
        ONE_PIXEL,
        PLANTED_FAULTS,
        UAP_CROSS_MODEL,
        UAP_DIVERSITY,
        UAP_FOOLING,
        UAP_GEOMETRY,
        UAP_LABELS,
        UAP_SET_SIZE,
    )
}
