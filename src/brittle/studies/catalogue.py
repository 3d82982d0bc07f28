"""Every study by name; a new one is its file and its line here."""

from brittle.studies.carlini_wagner_grid import CARLINI_WAGNER_GRID
from brittle.studies.deepfool_robustness import DEEPFOOL_ROBUSTNESS
from brittle.studies.jsma_hardness import JSMA_HARDNESS
from brittle.studies.lbfgs_cross_model import LBFGS_CROSS_MODEL
from brittle.studies.lbfgs_cross_training_set import LBFGS_CROSS_TRAINING_SET
from brittle.studies.one_pixel import ONE_PIXEL
from brittle.studies.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        CARLINI_WAGNER_GRID,
        DEEPFOOL_ROBUSTNESS,
        JSMA_HARDNESS,
        LBFGS_CROSS_MODEL,
        LBFGS_CROSS_TRAINING_SET,
        ONE_PIXEL,
    )
}
