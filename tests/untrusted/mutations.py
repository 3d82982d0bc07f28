"""Valid small files, changed a little at random: bytes, members of archives, values of JSON.

`BRITTLE_CASES=10000 pytest tests/untrusted -n0` tries that many of each kind, others every time; by default it is few
and always the same.
"""

import io
import json
import os
import zipfile
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CASES = os.environ.get("BRITTLE_CASES")
cases = settings(
    max_examples=int(CASES or 12),
    derandomize=CASES is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""How many mutants a test tries."""
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]
ODD = [None, True, -1, 0, 2**31, 2**63, 10**30, 0.5, -1e308, float("nan"), float("inf"), "", "x", "\ud800", "\0"]
"""Values that stand where others should."""


@st.composite
def damaged(draw, original: bytes) -> bytes:
    """Bytes flipped, cut out, put in or repeated, and numbers written over them."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(1, 16))
        match draw(st.integers(0, 5)):
            case 0:
                content[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = draw(st.binary(min_size=1, max_size=length))
            case 3:
                content[place:place] = content[place : place + length]
            case 4:
                del content[place:]
            case _:
                number = draw(st.sampled_from(NUMBERS)).to_bytes(8, draw(st.sampled_from(["little", "big"])))
                content[place : place + length] = number[:length] if length < 8 else number
    return bytes(content)


def paths(value: object, above: tuple = ()) -> list[tuple]:
    """The ways to every value within a value of JSON."""
    found = [above]
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            found += paths(one, (*above, key))
    return found


def replaced(value: object, way: tuple, new: object) -> object:
    if not way:
        return new
    first, *rest = way
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[first] = replaced(copy[first], tuple(rest), new)
    return copy


def without(value: object, way: tuple) -> object:
    first, *rest = way
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[first] = without(copy[first], tuple(rest))
    else:
        del copy[first]
    return copy


@st.composite
def retyped(draw, original: object) -> object:
    """A value of JSON with single values replaced by others of any type, or left out."""
    value = original
    for _ in range(draw(st.integers(1, 2))):
        way = draw(st.sampled_from(paths(value)))
        if way and draw(st.integers(0, 3)) == 0:
            value = without(value, way)
        else:
            new = draw(st.one_of(st.sampled_from(ODD), st.sampled_from([[], {}, [[]], {"x": 1}, nested(150)])))
            value = replaced(value, way, new)
    return value


def nested(depth: int) -> list:
    """Lists within lists."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@st.composite
def rewritten(draw, original: str) -> bytes:
    """A text of JSON with other values, with damaged bytes, or with brackets and nothing else."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from([b"[", b'{"a":', b"[1,"])) * draw(st.sampled_from([99, 101, 1000, 100_000]))
    if kind > 3:
        with suppress(ValueError, RecursionError):  # it may have been damaged before
            return json.dumps(draw(retyped(json.loads(original)))).encode()
    return draw(damaged(original.encode("utf-8", "replace")))


@st.composite
def repacked(draw, original: bytes) -> bytes:
    """An archive whose members are damaged, renamed, left out or stored twice, with checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    if draw(st.integers(0, 4)) == 0:
        return draw(damaged(original))
    for _ in range(draw(st.integers(1, 2))):
        number = draw(st.integers(0, len(members) - 1))
        name, content = members[number]
        match draw(st.integers(0, 5)):
            case 0:
                names = [name for name, _ in members]
                members[number] = (draw(st.sampled_from([*names, "x.npy", "labels.npy", "../x", "\0", ""])), content)
            case 1 if len(members) > 1:
                del members[number]
            case _:
                text = content.decode("utf-8", "replace") if name.endswith(".json") else None
                members[number] = (name, draw(damaged(content) if text is None else rewritten(text)))
    made, method = io.BytesIO(), draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    with zipfile.ZipFile(made, "w", method if draw(st.booleans()) else zipfile.ZIP_STORED) as archive:
        for name, content in members:
            try:
                archive.writestr(name, content)
            except (UserWarning, IndexError):  # a name that is there already, or none
                continue
    return made.getvalue()


@st.composite
def reheaded(draw, original: bytes) -> bytes:
    """A safetensors file whose header says something else, or that is damaged anywhere."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(original))
    length = int.from_bytes(original[:8], "little")
    header = json.loads(original[8 : 8 + length])
    told = header.get("__metadata__", {}).get("brittle")
    if told and draw(st.booleans()):
        header["__metadata__"]["brittle"] = draw(rewritten(told)).decode("utf-8", "replace")
        written = json.dumps(header).encode()
    else:
        written = draw(rewritten(json.dumps(header)))
    return len(written).to_bytes(8, "little") + written + original[8 + length :]
