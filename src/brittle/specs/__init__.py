"""What is asked, as values: the network, the images, the question and the effort. Every option is declared here, once.

A field carries, in its type, what the command line calls it and how it is explained there. Functions take the values,
or single fields of them by the names that the command line has.
"""

from brittle.specs.asked import Asked
from brittle.specs.groups import (
    ChannelLike,
    DataLike,
    DataSpec,
    DefenceLike,
    ModelLike,
    ModelSpec,
)
from brittle.specs.option import Option, names_of, option_of
from brittle.specs.question import SEARCHING, Effort, Question

__all__ = [
    "SEARCHING",
    "Asked",
    "ChannelLike",
    "DataLike",
    "DataSpec",
    "DefenceLike",
    "Effort",
    "ModelLike",
    "ModelSpec",
    "Option",
    "Question",
    "names_of",
    "option_of",
]
