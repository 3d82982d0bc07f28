"""Every study by name; a new one is its file and its line here."""

from brittle.studies.deepfool_robustness import DEEPFOOL_ROBUSTNESS
from brittle.studies.study import Study

STUDIES: dict[str, Study] = {study.name: study for study in (DEEPFOOL_ROBUSTNESS,)}
