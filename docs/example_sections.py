"""An extension of griffe, for the build of these pages: `Example:` heads a section of examples, as `Examples:` does."""

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Read the singular as the plural, so that doctests are shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the heading before the docstring is parsed."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", obj.docstring.value)
