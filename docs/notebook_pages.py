"""A hook of mkdocs: a page for each notebook, with what its cells have shown when they were run."""

import html
import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook of the folder, beside the notebook itself."""
    for notebook in sorted(Path(config.docs_dir).glob("*.ipynb")):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        link = f"[This notebook]({notebook.name}) runs as it is.\n"
        text = "\n\n".join([*map(shown, cells[:1]), link, *map(shown, cells[1:])])
        files.append(File.generated(config, f"{notebook.stem}.md", content=text))
    return files


def shown(cell: dict[str, Any]) -> str:
    """Return a cell as Markdown: its text, or its code and what came of it."""
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return text
    return "\n\n".join([f"```python\n{text}\n```", *map(printed, cell["outputs"])])


def printed(output: dict[str, Any]) -> str:
    """Return an output: as HTML where it has a view, otherwise as text."""
    data = output.get("data", {})
    if "text/html" in data:
        return "<div>" + "".join("".join(data["text/html"]).splitlines()) + "</div>"
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"<pre>{html.escape(text)}</pre>" if text.strip() else ""
