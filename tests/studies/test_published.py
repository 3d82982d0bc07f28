"""The published tables are complete and well formed."""

import pytest

from brittle.errors import InputError
from brittle.studies import STUDIES, published
from brittle.studies.deepfool.robustness import CLAIMED

SHAPES = {
    "obfuscated_gradients": (5, 8),
    "uap_fooling": (6, 4),
    "uap_cross_model": (6, 6),
    "uap_facts": (0, 0),
    "deepfool_robustness": (7, 6),
    "deepfool_robustness_linf": (2, 4),
    "deepfool_fine_tuning": (4, 4),
    "fast_training": (3, 4),
    "adef": (3, 3),
    "adef_adversarial_training": (4, 4),
    "gd_uap_cross_model": (6, 6),
    "gd_uap_priors": (5, 6),
    "gd_uap_segmentation": (7, 4),
    "gd_uap_depth": (7, 9),
    "lbfgs_cross_model": (7, 8),
    "lbfgs_cross_training_set": (3, 8),
    "destruction_rate": (4, 12),
    "physical_accuracy": (8, 6),
    "madry_mnist": (5, 17),
    "one_pixel": (4, 4),
    "jsma": (0, 0),
    "one_pixel_few": (2, 3),
    "carlini_wagner": (6, 3),
    "distillation": (0, 0),
}


def test_every_table_is_there_in_its_shape():
    assert {name: (len(table.columns), len(table.rows)) for name, table in published().items()} == SHAPES


@pytest.mark.parametrize("name", SHAPES)
def test_every_row_has_a_figure_for_every_column(name):
    table = published()[name]
    assert "arXiv:" in table.source
    assert table.caption
    assert table.rows or table.values
    for row, figures in table.rows.items():
        assert len(figures) == len(table.columns), row
        assert all(figure is None or isinstance(figure, int | float | str) for figure in figures)


def test_known_figures():
    table = published()["deepfool_robustness"]
    assert table.figure("NIN (CIFAR-10)", "rho DeepFool") == 0.023
    assert table.figure("LeNet (MNIST)", "time L-BFGS") == "> 4 s"
    assert table.figure("GoogLeNet (ILSVRC2012)", "rho L-BFGS") is None
    assert table.figure("another network", "rho DeepFool") is None
    with pytest.raises(InputError, match="no column 'rho'"):
        table.figure("LeNet (MNIST)", "rho")


def test_every_row_of_the_paper_stands_in_the_study():
    study, maximum = STUDIES["deepfool-robustness"], published()["deepfool_robustness_linf"]
    table = published()["deepfool_robustness"]
    rows = [row.stands_for or row.key for row in study.rows]
    assert set(table.rows) | set(maximum.rows) <= set(rows)
    shown = {study.published(row, column.key) for row in rows for column in study.columns}
    theirs = {figure for one in (table, maximum) for figures in one.rows.values() for figure in figures}
    assert shown - {None, CLAIMED} == theirs - {None}
