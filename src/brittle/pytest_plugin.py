"""The plugin for pytest: the fixture `assert_robust`. Nothing heavy is imported before a test uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from brittle.runs.summary import Summary


@pytest.fixture
def assert_robust(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Summary]:
    """`brittle.assert_robust`, with the run in a temporary folder of pytest's, and its figures in the JUnit report.

    Where the assertion fails, the page of the audit is written there, and the message says where it lies.
    """

    def check(model: Any, data: Any, out: Any = None, **options: Any) -> Summary:
        __tracebackhide__ = True
        from brittle.evaluation.assert_robust import NotRobust
        from brittle.evaluation.assert_robust import assert_robust as asserted
        from brittle.report import write_report
        from brittle.runs.verdicts import flat

        folder = tmp_path_factory.mktemp("brittle") / "run" if out is None else out
        failure: NotRobust | None = None
        try:
            summary = asserted(model, data, folder, **options)
        except NotRobust as error:
            failure, summary = error, error.summary
        figures = {"robust_accuracy": summary.robust, "clean_accuracy": summary.clean}
        # as `record_property` does, without its warning that a schema has no properties of a single test
        request.node.user_properties += flat({**figures, "norm": summary.norm, "eps": summary.radius}).items()
        if failure is not None:
            pytest.fail(f"{failure.reasons}\nreport: {write_report(folder)}", pytrace=False)
        return summary

    return check
