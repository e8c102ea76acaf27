"""Mails out of their templates: text and HTML of the same values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "mail_templates"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(template: str, kind: str, values: Mapping[str, Any]) -> str:
    """``kind``: ``txt`` or ``html``."""
    return _TEMPLATES.get_template(f"{template}.{kind}").render(values).strip() + "\n"
