"""A channel in front of a network, as it is asked for and as it is written."""

from brittle.errors import InputError
from brittle.evaluation.channel_spec import parse_channel
from brittle.evaluation.defended import spelled
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
    if isinstance(given, Channel):
        return given
    if isinstance(given, str):
        return parse_channel(given)
    raise InputError(
        f"the channel is a {type(given).__name__}; expected text such as blur:sigma=1+jpeg, or a "
        "brittle.physical.Channel"
    )


def spelled_channel(channel: Channel) -> str:
    """Return how a channel is written, with every setting that is not as it is by default.

    Example:
        >>> spelled_channel(channel_of("blur:sigma=2+photograph"))
        'blur:sigma=2+photograph'
    """
    if isinstance(channel, Chain):
        return "+".join(spelled_channel(link) for link in channel.links)
    return spelled(channel, {CHANNELS.find(name): name for name in CHANNELS})
