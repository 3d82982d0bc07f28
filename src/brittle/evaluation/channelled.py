"""A channel in front of a network, as it is asked for and as it is written."""

from brittle.evaluation.channel_spec import parse_channel
from brittle.evaluation.defended import spelled
from brittle.evaluation.spec_text import given_or_written
from brittle.physical import Channel
from brittle.physical.chain import Chain
from brittle.registry import CHANNELS


def channel_of(given: object) -> Channel:
    """Return a channel that is given as text or as a value.

    Raises:
        InputError: it is neither, or no channel is written so.

    Example:
        >>> channel_of("blur:sigma=2").sigma
        2.0
    """
    return given_or_written("channel", given, Channel, parse_channel, "blur:sigma=1+jpeg")


def spelled_channel(channel: Channel) -> str:
    """Return how a channel is written, with every setting that is not as it is by default.

    Example:
        >>> spelled_channel(channel_of("blur:sigma=2+photograph"))
        'blur:sigma=2+photograph'
    """
    if isinstance(channel, Chain):
        return "+".join(spelled_channel(link) for link in channel.links)
    return spelled(channel, {CHANNELS.find(name): name for name in CHANNELS})
