"""The view of a result in a notebook: escaped, without scripts, and of bounded size."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from brittle.notebook import EXAMPLES, SIDE, Example, Summarised, view

ODD = '<script>alert(1)</script>"onload="x\u202e'


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set[str](), set[str]()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def example(side: int, caption: str = "a", channels: int = 3) -> Example:
    random = np.random.default_rng(0)
    return Example(caption, *(random.random((channels, side, side + 3)) for _ in range(2)))


def test_text_is_escaped_wherever_it_stands():
    html = view(ODD, [(ODD, ODD)], [example(8, ODD)])
    seen = Seen()
    seen.feed(html)
    assert seen.tags == {"div", "p", "b", "table", "tr", "th", "td", "img", "br"}
    assert seen.attributes == {"style", "src", "alt", "width", "height"}
    assert "\u202e" not in html


@pytest.mark.parametrize("side", [1, 28, 96, 224, 1000])
def test_pictures_are_small_whatever_the_images_are(side):
    html = view("", [], [example(side)] * (EXAMPLES + 3))
    found = re.findall(r"base64,([^\"]+)", html)
    assert len(found) == 3 * EXAMPLES
    assert all(
        max(Image.open(io.BytesIO(base64.b64decode(one))).size) <= max(SIDE, side if side < SIDE else 0) + 3
        for one in found
    )
    assert len(html) < 600_000


def test_a_change_is_made_visible():
    original = np.full((1, 1, 1), 0.5)
    html = view("", [], [Example("", original, original + 4 / 255)])
    change = Image.open(io.BytesIO(base64.b64decode(re.findall(r"base64,([^\"]+)", html)[1])))
    assert change.getpixel((0, 0)) == pytest.approx(255 * 0.5 + 20 * 4, abs=1)
    assert "change ×20" in html


def test_what_is_printed_is_one_line_for_each_figure():
    class Made(Summarised):
        def headline(self):
            return "made\nso"

        def lines(self):
            return [("rate", "1.0%")]

    assert str(Made()) == "made\\nso\nrate             1.0%"
    assert "<img" not in Made()._repr_html_()
