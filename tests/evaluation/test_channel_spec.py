from textwrap import dedent

import pytest
import torch

from brittle import InputError
from brittle.evaluation.channel_spec import parse_channel
from brittle.physical.blur import Blur
from brittle.physical.chain import Chain
from brittle.physical.jpeg import JPEGFile
from brittle.physical.noise import Noise

RAIN = """
    from dataclasses import dataclass
    from brittle.physical import Channel

    @dataclass(frozen=True)
    class Rain(Channel):
        drops: int = 3

        def transform(self, images, streams):
            return images / self.drops

    def nothing():
        return None
"""


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("blur", Blur()),
        ("blur: sigma = 1/2", Blur(sigma=0.5)),
        ("blur:sigma=1e+0+jpeg:quality=30", Chain((Blur(sigma=1.0), JPEGFile(quality=30)))),
        ("noise+blur+jpeg", Chain((Noise(), Blur(), JPEGFile()))),
    ],
)
def test_reads_channels(text, channel):
    assert parse_channel(text) == channel


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blurr", r"there is no channel 'blurr' \(did you mean 'blur'\?\); there are blur, brightness"),
        ("blur:sigm=1", r"no field 'sigm' \(did you mean 'sigma'\?\)"),
        ("blur:sigma=-1", "sigma is -1.0; expected at least 0"),
        ("blur:sigma=wide", "sigma=wide"),
        ("jpeg:quality=1.5", "quality=1.5"),
        ("blur(fgsm)", r"a channel takes nothing in brackets; expected blur\[:FIELD=VALUE"),
        ("blur+", "there is no channel 'blur"),
        ("blur:sigma=1,sigma=2", "given twice"),
    ],
)
def test_says_what_is_wrong(text, message):
    with pytest.raises(InputError, match=message):
        parse_channel(text)


def test_reads_a_channel_of_ones_own(tmp_path):
    (tmp_path / "my rain.py").write_text(dedent(RAIN))
    chain = parse_channel(f"{tmp_path}/my rain.py:Rain:drops=4+blur")
    assert torch.equal(chain.links[0](torch.ones(1, 1, 1, 1)), torch.full((1, 1, 1, 1), 0.25))
    with pytest.raises(InputError, match=r"nothing is a function, no channel; expected a subclass of brittle\.phys"):
        parse_channel(f"{tmp_path}/my rain.py:nothing")
