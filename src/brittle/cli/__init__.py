"""The command line: one command a file, each one public function of the same name that prints what it returns."""

from brittle.cli.app import app, main

__all__ = ["app", "main"]
