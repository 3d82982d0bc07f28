"""A reader of Thrift's compact protocol, in which a Parquet file says what it holds.

A run folder has a file for every few images, and each is looked at before pyarrow sees it: so the usual case, a number
of one byte, is read where it stands and not by a call.
"""

from typing import Any

Fields = dict[int, Any]
"""A structure: values by the numbers of their fields; of lists the elements, of text the bytes."""
NESTED = 20  # structures that lie within each other
LONGEST = 10  # bytes of a number of 64 bits


def structure(content: bytes, place: int = 0, last: int | None = None, depth: int = 0) -> tuple[Fields, int]:
    """Read a structure, as far as the field `last`, or to its end.

    Args:
        content: the bytes.
        place: where it begins, from 0.
        last: the field after which nothing is read.
        depth: of the structures around it.

    Returns:
        Its fields, and the place after it.

    Raises:
        ValueError: it is damaged.
        IndexError: it ends early.

    Example:
        >>> structure(bytes([0x15, 0x04, 0x18, 1, 97, 0]))
        ({1: 2, 2: b'a'}, 6)
    """
    if depth > NESTED:
        raise ValueError("structures within each other")
    found: Fields = {}
    field = 0
    while head := content[place]:
        place += 1
        if head < 16:
            field, place = _signed(content, place)
        else:
            field += head >> 4
        kind = head & 15
        if kind == 5 or kind == 6:  # by far the most; one byte mostly
            byte = content[place]
            if byte < 0x80:
                found[field], place = (byte >> 1) ^ -(byte & 1), place + 1
            else:
                found[field], place = _signed(content, place)
        elif kind == 1 or kind == 2:  # true and false stand in the type itself
            found[field] = kind == 1
        else:
            found[field], place = _value(content, place, kind, depth)
        if field == last:
            return found, place
    return found, place + 1


def _value(content: bytes, place: int, kind: int, depth: int) -> tuple[Any, int]:
    """Read a value of a type; inside a list true and false take a byte."""
    if kind == 8:
        length, place = _number(content, place)
        return _bytes(content, place, length)
    if kind == 12:
        return structure(content, place, None, depth + 1)
    if kind in (4, 5, 6):
        return _signed(content, place)
    if kind in (9, 10):
        return _elements(content, place, depth)
    if kind == 7:
        return _bytes(content, place, 8)
    if kind == 3:
        return content[place], place + 1
    if kind in (1, 2):
        return content[place] == 1, place + 1
    raise ValueError(f"a value of type {kind}")


def _elements(content: bytes, place: int, depth: int) -> tuple[list[Any], int]:
    head, place = content[place], place + 1
    count, kind = head >> 4, head & 15
    if count == 15:
        count, place = _number(content, place)
    if count > len(content) - place:
        raise IndexError("it ends early")
    values = list[Any]()
    for _ in range(count):
        if kind == 12:  # the lists that are long
            value, place = structure(content, place, None, depth + 1)
        else:
            value, place = _value(content, place, kind, depth)
        values.append(value)
    return values, place


def _bytes(content: bytes, place: int, length: int) -> tuple[bytes, int]:
    if length > len(content) - place:
        raise IndexError("it ends early")
    return content[place : place + length], place + length


def _number(content: bytes, place: int) -> tuple[int, int]:
    """Read a number from 0 up, of any length."""
    value = shift = 0
    for byte in content[place : place + LONGEST]:
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    if place >= len(content):
        raise IndexError("it ends early")
    raise ValueError("a number of more than 64 bits")


def _signed(content: bytes, place: int) -> tuple[int, int]:
    value, place = _number(content, place)
    return (value >> 1) ^ -(value & 1), place
