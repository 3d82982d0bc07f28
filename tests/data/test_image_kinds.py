"""Every kind of image file in the table of docs/data.md: read to the right value, and every conversion counted."""

import numpy as np
import pytest

from brittle.data import Fit
from brittle.data.decode import decode, look
from brittle.errors import BadImage

from .image_files import FILES, File


@pytest.mark.parametrize("file", FILES.values(), ids=FILES.keys())
def test_every_kind_of_file_is_read_to_its_value_or_refused(file: File):
    content = file.content()
    if isinstance(file.pixels, str):
        with pytest.raises(BadImage, match=file.pixels):
            decode(content, "a file")
        return
    pixels = Fit().apply(decode(content, "a file"))
    expected = np.array(file.pixels)[:, None]
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= file.within


@pytest.mark.parametrize("file", [f for f in FILES.values() if not isinstance(f.pixels, str)])
def test_what_decoding_does_is_known_from_the_header(file: File):
    content = file.content()
    header, _ = look(content, "a file")
    pixels = Fit().apply(decode(content, "a file"))
    assert header.conversions == file.said
    assert (header.channels, header.height, header.width) == pixels.shape
