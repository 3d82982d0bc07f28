"""Every study by name; a new one is its file and its line here."""

from brittle.studies.adef.adversarial_training import ADEF_ADVERSARIAL_TRAINING
from brittle.studies.adef.norms import ADEF_NORMS
from brittle.studies.adef.scattering import ADEF_SCATTERING
from brittle.studies.adef.table import ADEF
from brittle.studies.adef.targeted import ADEF_TARGETED
from brittle.studies.bench.study import Study
from brittle.studies.carlini_wagner.grid import CARLINI_WAGNER_GRID
from brittle.studies.deepfool.robustness import DEEPFOOL_ROBUSTNESS
from brittle.studies.faults.study import PLANTED_FAULTS
from brittle.studies.gd_uap.cross_model import GD_UAP_CROSS_MODEL
from brittle.studies.gd_uap.depth import GD_UAP_DEPTH
from brittle.studies.gd_uap.priors import GD_UAP_PRIORS
from brittle.studies.gd_uap.segmentation import GD_UAP_SEGMENTATION
from brittle.studies.jsma.hardness import JSMA_HARDNESS
from brittle.studies.lbfgs.cross_model import LBFGS_CROSS_MODEL
from brittle.studies.lbfgs.cross_training_set import LBFGS_CROSS_TRAINING_SET
from brittle.studies.madry.mnist import MADRY_MNIST
from brittle.studies.one_pixel.table import ONE_PIXEL
from brittle.studies.optimality.attack_optimality import ATTACK_OPTIMALITY
from brittle.studies.uap.cross_model import UAP_CROSS_MODEL
from brittle.studies.uap.diversity import UAP_DIVERSITY
from brittle.studies.uap.fooling import UAP_FOOLING
from brittle.studies.uap.geometry import UAP_GEOMETRY
from brittle.studies.uap.labels import UAP_LABELS
from brittle.studies.uap.set_size import UAP_SET_SIZE

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
