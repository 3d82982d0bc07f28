"""What is said over HTTP: an image one way; a label, and scores perhaps, the other. `docs/substitute.md` is its table.

Every image is known by a digest, which the request carries as its `Idempotency-Key`: who has answered a digest before
answers it again from memory and counts no second query, so that asking once more after a lost answer costs nothing.
"""

import base64
import binascii
import hashlib
import math
from abc import ABC
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brittle.errors import InputError, quoted
from brittle.limits import check_limit
from brittle.reading import parse_json
from brittle.tolerance import in_range
from brittle.types import Images

KEY = "Idempotency-Key"
"""The header that carries the digest."""
STATUS = "status"
"""What is appended to an endpoint's URL to learn what it answers, which costs nothing."""
MOST_CLASSES = 1_000_000
Side = Annotated[int, Field(ge=1, le=2**25)]
Label = Annotated[int, Field(ge=0, lt=MOST_CLASSES)]


class Message(BaseModel, ABC):
    """A JSON object; what others add to it is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Question(Message):
    """A request.

    Attributes:
        digest: of the image, 64 hexadecimal digits.
        shape: channels, height, width.
        image: its values in [0, 1] in that order, little-endian float32, in base64.
    """

    digest: str = Field(pattern="^[0-9a-f]{64}$")
    shape: list[Side] = Field(min_length=3, max_length=3)
    image: str


class Answer(Message):
    """An answer: a label, or scores of which the largest is that of the label; or both.

    Attributes:
        label: number of the class, from 0 on; None where there are scores alone.
        scores: one finite number for each class; None where nothing but the label is told.
    """

    label: Label | None = None
    scores: Annotated[list[float], Field(min_length=2, max_length=MOST_CLASSES)] | None = None

    @property
    def chosen(self) -> int:
        """The label, or the class of the largest score."""
        if self.label is not None:
            return self.label
        scores = self.scores or []
        return max(range(len(scores)), key=scores.__getitem__)


class Description(Message):
    """What an endpoint says of itself at `/status`, as far as it says anything.

    Attributes:
        classes: how many there are; None where it does not say.
        names: of the classes, in their order; empty where it does not say.
        shape: channels, height, width of the images that it takes; None where it does not say.
        scores: whether it tells scores.
        network: digest of the network; "" where it does not say.
    """

    classes: Annotated[int, Field(ge=2, le=MOST_CLASSES)] | None = None
    names: list[str] = []
    shape: Annotated[list[Side], Field(min_length=3, max_length=3)] | None = None
    scores: bool = False
    network: str = ""


def digest_of_image(image: Images) -> str:
    """Return the sha256 of an image's shape and float32 values, in hexadecimal.

    Args:
        image: c x h x w, on any device. 0 and -0 are the same value.

    Example:
        >>> digest_of_image(torch.zeros(1, 2, 2)) == digest_of_image(-torch.zeros(1, 2, 2))
        True
    """
    return _digest(list(image.shape), _values(image))


def question_of(image: Images) -> bytes:
    """Return the body of a request for an image, c x h x w.

    Example:
        >>> image_in(question_of(torch.full((1, 1, 1), 0.5)))[1]
        tensor([[[0.5000]]])
    """
    values, shape = _values(image), list(image.shape)
    text = base64.b64encode(values).decode()
    return Question(digest=_digest(shape, values), shape=shape, image=text).model_dump_json().encode()


def image_in(body: bytes) -> tuple[str, Images]:
    """Return the digest and the image in the body of a request, which anybody may have sent.

    Raises:
        InputError: it is no question, its digest is of another image, or the values are no image in [0, 1].
        OverLimit: it is larger, or nested deeper, than the limits allow.
    """
    check_limit("text", len(body), "a request")
    asked = _parsed(Question, body)
    try:
        values = base64.b64decode(asked.image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"image is no base64 ({quoted(error, 60)})") from error
    if len(values) != 4 * math.prod(asked.shape):
        raise InputError(
            f"image holds {len(values):,} bytes; expected {4 * math.prod(asked.shape):,}, float32 of {asked.shape}"
        )
    if _digest(asked.shape, values) != asked.digest:
        raise InputError("digest is that of another image; expected the sha256 of shape and values")
    image = torch.from_numpy(np.frombuffer(values, "<f4").astype(np.float32)).reshape(asked.shape)
    low, high = (float(one) for one in image.aminmax())
    if not in_range(low, high):
        raise InputError(f"the image's values reach from {low:.4g} to {high:.4g}; expected [0, 1]")
    return asked.digest, image.clamp(0, 1)


def answer_in(body: bytes) -> Answer:
    """Return the answer in a body that a service sent.

    Raises:
        InputError: it is none.

    Example:
        >>> answer_in(b'{"scores": [0.1, 0.7, 0.2]}').chosen
        1
    """
    found = _parsed(Answer, body)
    if found.label is None and found.scores is None:
        raise InputError("it holds neither label nor scores")
    if found.scores is not None:
        if not all(map(math.isfinite, found.scores)):
            raise InputError("it holds scores that are no finite numbers")
        if found.label is not None and found.label >= len(found.scores):
            raise InputError(f"its label is {found.label}, of {len(found.scores)} scores")
    return found


def description_in(body: bytes) -> Description:
    """Return what an endpoint says of itself.

    Raises:
        InputError: it is no such JSON.
    """
    return _parsed(Description, body)


def _parsed(kind: type[Any], body: bytes) -> Any:
    try:
        return kind.model_validate(parse_json(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise InputError(f"{quoted(where, 40)}: {quoted(first['msg'], 80)}") from error
    except ValueError as error:
        raise InputError(f"it is no JSON ({quoted(error, 80)})") from error


def _values(image: Images) -> bytes:
    return (image.detach().cpu().to(torch.float32) + 0.0).contiguous().numpy().astype("<f4").tobytes()


def _digest(shape: list[int], values: bytes) -> str:
    return hashlib.sha256("x".join(map(str, shape)).encode() + b"\n" + values).hexdigest()
