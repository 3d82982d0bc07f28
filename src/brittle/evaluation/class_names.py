"""Classes that network and images both know by name: matched by these names, wherever they stand."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from brittle.data import Source
from brittle.errors import LabelError, quoted, truncate

SHOWN = 4
"""Names of each side that a message shows."""
SYNONYMS = re.compile(r"\s*,\s*|\s+-\s+")
"""What stands between the names of a class that has several: "tench, Tinca tinca", "0 - zero"."""


def match_classes(theirs: Sequence[str], source: Source, order: str = "auto") -> tuple[Source, list[str]]:
    """Give the labels of a source the numbers that its classes have in the network, and say what was done.

    Names are compared without regard to capitals, hyphens and underscores, by the first of several synonyms where the
    whole does not match ("tench, Tinca tinca" is "tench"), and whole numbers by value. Where network or images have no
    names, or `order` is not "auto", the labels are taken as they are.

    Args:
        theirs: the names of the network's classes in the order of its outputs; empty where they are not known.
        source: the images.
        order: "auto", "numeric" or "text", as the source was opened.

    Returns:
        The images, with the network's labels; and what is to be told: how the classes were numbered, where there was a
        choice.

    Raises:
        LabelError: the images have classes that the network does not have, or that its names leave open.
    """
    ours = source.classes
    if not (source.labelled and theirs and ours):
        return source, list(source.remarks)
    if order != "auto":
        return source, [*source.remarks, *_as_they_are(theirs, ours, order)]
    numbers = match_names(ours, theirs)
    missing = [name for name, number in zip(ours, numbers, strict=True) if number is None]
    found = [number for number in numbers if number is not None]
    if missing:
        known = set(found)
        free = [name for number, name in enumerate(theirs) if number not in known]
        mend = (
            "Rename the classes (class folders, or a classes.json beside the images that lists names in the order of "
            "the labels); or, where equal numbers are known to mean equal classes, give --class-order numeric, which "
            "takes the labels as they are"
        )
        if len(ours) == 1 and source.remarks:  # perhaps it is no class
            mend = "; ".join(one[:1].upper() + one[1:] for one in source.remarks)
        raise LabelError(
            f"{len(missing):,} of the data's {len(ours):,} classes are not among the network's {len(theirs):,}: the "
            f"data alone have {_some(missing)}, the network alone {_some(free)}. {mend}"
        )
    if found == list(range(len(theirs))):
        return source, []
    source = source.with_classes(found, theirs)
    pairs = ", ".join(f"{quoted(name, 60)} is {number}" for name, number in zip(ours[:SHOWN], found, strict=False))
    if len(ours) == len(theirs):
        return source, [
            f"labels renumbered by name, as the network counts its classes in another order: {_some(theirs)}, the data "
            f"{_some(ours)}"
        ]
    return source, [
        f"labels renumbered by name: the data's {len(ours):,} classes are among the network's {len(theirs):,} "
        f"({pairs}{', ...' if len(ours) > SHOWN else ''})"
    ]


def match_names(ours: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """Return the place of each of our names among theirs, None for one that is not there, or not for sure.

    Where both sides have as many, and all names found stand at the same places, those left do too if the words of one
    are among those of the other: of ImageNet's two cranes torchvision calls one "crane bird".

    >>> match_names(["Dog", "house_cat"], ["house cat, Felis catus", "dog"])
    [1, 0]
    """
    places: list[int | None] = [None] * len(ours)
    for key in (whole, first_synonym):
        left = [i for i, place in enumerate(places) if place is None]
        taken = {place for place in places if place is not None}
        free = [i for i in range(len(theirs)) if i not in taken]
        _pair(places, _grouped(ours, left, key), _grouped(theirs, free, key))
    if len(ours) == len(theirs) and all(place in (None, i) for i, place in enumerate(places)):
        for i in range(len(ours)):
            if places[i] is None and _akin(ours[i], theirs[i]):
                places[i] = i
    return places


def _akin(ours: str, theirs: str) -> bool:
    """Whether all words of one name are in the other."""
    words, others = (set(re.findall(r"\w+", name.casefold())) for name in (ours, theirs))
    return words <= others or others <= words


def _grouped(names: Sequence[str], among: Sequence[int], key: Callable[[str], str]) -> dict[str, list[int]]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i in among:
        groups[key(names[i])].append(i)
    return groups


def _pair(places: list[int | None], ours: dict[str, list[int]], theirs: dict[str, list[int]]) -> None:
    """Pair what has the same name; several of one name (ImageNet has two cranes) in order, if both sides have all."""
    for name, members in ours.items():
        others = theirs.get(name, [])
        if len(members) == len(others):
            for i, place in zip(members, others, strict=True):
                places[i] = place


def whole(name: str) -> str:
    """Return a name without what does not tell names apart."""
    plain = re.sub(r"[\s_-]+", " ", name).strip().casefold()
    return str(int(plain)) if plain.isascii() and plain.isdecimal() else plain


def first_synonym(name: str) -> str:
    """Return the first of several synonyms, as `whole`."""
    return whole(SYNONYMS.split(name.strip(), maxsplit=1)[0])


def _as_they_are(theirs: Sequence[str], ours: Sequence[str], order: str) -> list[str]:
    other = Counter(first_synonym(ours[i]) == first_synonym(theirs[i]) for i in range(min(len(ours), len(theirs))))[
        False
    ]
    if not other:
        return []
    return [
        f"labels taken as they are (class order {order}), although {other:,} of them have another name in the network "
        f"({_some(theirs)}) than in the data ({_some(ours)})"
    ]


def _some(names: Sequence[str]) -> str:
    return (
        ", ".join(repr(truncate(name, 60)) for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        or "none"
    )
