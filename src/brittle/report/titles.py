"""Titles that users give to pages: checked, put in place of brittle's own, and found again in a page."""

import html
import re
from pathlib import Path

from markupsafe import escape

from brittle.errors import InputError, quoted
from brittle.names import shown
from brittle.runs.kinds import PAGE

LONGEST = 120
"""Most characters of a title: two lines of a page's heading, and more than the tab of a browser shows."""
HEAD = 4096
"""Bytes of a page within which its head ends."""
TITLE = re.compile("<title>(.*?)</title>", re.DOTALL)
HEADING = re.compile("<h1>(.*?)</h1>", re.DOTALL)
"""As `base.html` begins a page; other text in it is escaped."""
KEPT = re.compile('<meta name="title" content="([^"]*)">')
"""What a page with a title of the user's says it in, so that it is told from brittle's own."""


def check_title(text: str) -> str:
    r"""Return a title as pages show it: one line, nothing invisible.

    Args:
        text: what the user wrote; "" stands for brittle's own title.

    Raises:
        InputError: it is too long.

    Example:
        >>> print(check_title("  Release 2,\n candidate \x1b[31m"))
        Release 2, candidate \x1b[31m
    """
    title = shown(" ".join(text.split()))
    if len(title) > LONGEST:
        raise InputError(
            f"the title {quoted(title, 40)!r} has {len(title):,} characters; expected {LONGEST} at most: put the rest "
            "into words beside the page"
        )
    return title


def titled(page: str, title: str) -> str:
    """Return a page under a title, with brittle's own heading below it.

    Args:
        page: the text of one that has none yet.
        title: as `check_title` returns it; "" leaves the page as it is.
    """
    if not title:
        return page
    words = escape(title)
    page = TITLE.sub(lambda _: f'<meta name="title" content="{words}">\n<title>{words}</title>', page, count=1)
    return HEADING.sub(lambda own: f'<h1>{words}</h1>\n<p class="named">{own[1]}</p>', page, count=1)


def title_in(path: Path) -> str:
    """Return the title that a user gave to the page at a path; "" where there is no page or it has brittle's own."""
    if not path.is_file() or not PAGE.ours(path):
        return ""
    with path.open("rb") as file:
        found = KEPT.search(file.read(HEAD).decode(errors="replace"))
    try:
        return check_title(html.unescape(found[1])) if found else ""
    except InputError:  # a page that somebody else has changed
        return ""
