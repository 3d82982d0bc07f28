"""Channels as text: `blur:sigma=1`, `my.py:Rain:drops=40`, `blur:sigma=1+jpeg:quality=75`."""

from typing import Any

from brittle.arguments import fitted
from brittle.errors import InputError
from brittle.evaluation.spec_text import PLUS, options_in, split_spec, values_of
from brittle.physical import Channel
from brittle.physical.chain import Chain
from brittle.registry import CHANNELS
from brittle.words import with_article


def parse_channel(text: str) -> Channel:
    """Read a channel: `NAME[:FIELD=VALUE,...]`, with a name of `CHANNELS` or `FILE.py:CLASS`; several with + between.

    Images meet the first one first.

    Raises:
        InputError: an unknown name or field, a value of the wrong kind, or something that is no channel.

    Example:
        >>> parse_channel("blur:sigma=1")
        Blur(sigma=1.0, spread=0.0)
        >>> [type(link).__name__ for link in parse_channel("blur+jpeg:quality=75").links]
        ['Blur', 'JPEGFile']
    """
    links = [_channel(one) for one in PLUS.split(fitted("the channel", text, str))]
    return links[0] if len(links) == 1 else Chain(tuple(links))


def _channel(text: str) -> Channel:
    text, name, inner, options = split_spec(text)
    if inner:
        raise InputError(f"{text!r}: a channel takes nothing in brackets; expected {name}[:FIELD=VALUE,...]")
    kind: Any = CHANNELS.find(name)
    values = options_in(text, options)
    if values and not hasattr(kind, "__dataclass_fields__"):
        raise InputError(f"{text!r}: {name} is no dataclass, and takes no settings in text")
    channel: object = kind(**values_of(kind, values, text))
    if not isinstance(channel, Channel):
        made = with_article(type(channel).__name__)
        raise InputError(f"{text!r} made {made}; expected a brittle.physical.Channel")
    return channel
