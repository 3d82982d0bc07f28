"""What happens to images on their way to a network: channels such as printing and photographing, and corruptions."""

from brittle.physical.channel import Channel

__all__ = ["Channel"]
