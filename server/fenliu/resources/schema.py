"""The JSON schema of a shop's YAML, as `scripts/generate_schema.py` made it, and how a file names it.

Editors with a YAML language server check and complete by it.
"""

from __future__ import annotations

from pathlib import Path

_FILE = Path(__file__).parent / "shop.schema.json"


def schema_text() -> str:
    """The schema, as JSON."""
    return _FILE.read_text(encoding="utf-8")


def modeline() -> str:
    """The line with which a YAML file tells editors its schema."""
    return f"# yaml-language-server: $schema={_FILE.resolve().as_uri()}"
