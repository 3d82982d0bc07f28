"""Every attack has a sentence in plain words on the page of an audit."""

import pytest
from made_up import plan

from brittle.registry import ATTACKS
from brittle.report import write_report
from brittle.report.attack_words import ATTACK_WORDS, BOUNDED, SEARCHES, in_words


def test_every_registered_attack_has_its_own_words():
    assert set(ATTACK_WORDS) == set(ATTACKS)
    assert len(set(ATTACK_WORDS.values())) == len(ATTACK_WORDS)
    assert not [words for words in ATTACK_WORDS.values() if words.endswith(".") or words[0].isupper()]


@pytest.mark.parametrize(("searches", "means"), [(True, SEARCHES), (False, BOUNDED)])
def test_the_attack_of_somebody_else_is_told_by_what_its_numbers_mean(searches, means):
    assert in_words("theirs", searches=searches) == means
    assert in_words("pgd", searches=searches).endswith(f". {means}")


def test_the_page_says_what_each_attack_of_the_run_does(make_run):
    attacks = plan(0.05)
    page = write_report(make_run(attacks=attacks, radius=0.05)).read_text()
    for attack in attacks:
        assert in_words(attack.name, searches=attack.radius is None) in page.replace("&#39;", "'")
