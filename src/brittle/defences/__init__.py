"""What a defence is: something that makes another classifier of a classifier."""

from typing import Protocol, runtime_checkable

from brittle.classifiers.classifier import Classifier


@runtime_checkable
class Defence(Protocol):
    """What stands before, around or behind a network to make it harder to break.

    Example:
        >>> class Nothing:
        ...     def protect(self, classifier: Classifier) -> Classifier:
        ...         return classifier
        >>> isinstance(Nothing(), Defence)
        True
    """

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the defended classifier; the one given stays as it is."""
        ...
