"""What others bring: objects that installed packages announce, and those of the user's own Python files."""

from brittle.plugins.names import Fault, Registry
from brittle.plugins.user_file import object_in, parts_of_spec, running

__all__ = ["Fault", "Registry", "object_in", "parts_of_spec", "running"]
