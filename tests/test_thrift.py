"""Thrift's compact protocol: every type by hand, and what is damaged."""

import pytest

from brittle.thrift import structure

CASES = {
    "true": ([0x11], True),
    "false": ([0x12], False),
    "byte": ([0x13, 7], 7),
    "negative": ([0x15, 0x05], -3),
    "long": ([0x16, 0xD0, 0x0F], 1000),
    "double": ([0x17, *range(8)], bytes(range(8))),
    "text": ([0x18, 2, 97, 98], b"ab"),
    "list": ([0x19, 0x25, 2, 4], [1, 2]),
    "truths": ([0x19, 0x21, 1, 2], [True, False]),
    "long list": ([0x19, 0xF5, 16, *[2] * 16], [1] * 16),
    "structure": ([0x1C, 0x15, 2, 0], {1: 1}),
}


@pytest.mark.parametrize(("head", "value"), CASES.values(), ids=list(CASES))
def test_each_type_is_read_to_its_end(head, value):
    content = bytes([*head, 0])
    assert structure(content) == ({1: value}, len(content))
    assert structure(b"xy" + content, 2) == ({1: value}, len(content) + 2)


@pytest.mark.parametrize(("head", "_"), CASES.values(), ids=list(CASES))
def test_what_ends_early_says_so(head, _):
    for end in range(len(head) + 1):
        with pytest.raises(IndexError):
            structure(bytes(head[:end]))


def test_fields_count_on_or_are_named():
    assert structure(bytes([0x15, 2, 0x25, 4, 0x05, 20, 6, 0])) == ({1: 1, 3: 2, 10: 3}, 8)
    assert structure(bytes([0x15, 2, 0x25, 4, 0x05, 20, 6, 0]), last=3) == ({1: 1, 3: 2}, 4)


def test_what_is_damaged_is_refused():
    with pytest.raises(ValueError, match="64 bits"):
        structure(bytes([0x15, *[0xFF] * 12, 0]))
    with pytest.raises(ValueError, match="type 14"):
        structure(bytes([0x1E, 0]))
    with pytest.raises(ValueError, match="within each other"):
        structure(bytes([0x1C] * 30 + [0] * 31))
