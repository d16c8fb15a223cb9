"""The OpenAPI document as a page that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any


def reference_page(document: Mapping[str, Any]) -> str:
    """Return a page with every path, its description, body and answers.

    Args:
        document: the OpenAPI document.
    """
    parts = []
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            parts.append(_section(path, method, described))
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="stylesheet" href="/page.css"></head><body><main>'
        f"<h1>{title}</h1><p>The same as an OpenAPI document: "
        '<a href="/openapi.json">openapi.json</a>. A page to try it: <a href="/">upload a table</a>'
        f".</p>{''.join(parts)}</main></body></html>"
    )


def _section(path: str, method: str, described: Mapping[str, Any]) -> str:
    answers = "".join(
        f"<li>{escape(status)}: {escape(answer['description'])}</li>"
        for status, answer in described["responses"].items()
    )
    text = escape(described.get("description", ""))
    body = described.get("requestBody")
    shown = ""
    if body is not None:
        shown = f"<pre>{escape(json.dumps(body['content'], indent=2))}</pre>"
    return (
        f"<section><h2>{escape(method.upper())} {escape(path)}</h2><p>{text}</p>{shown}"
        f"<ul>{answers}</ul></section>"
    )
