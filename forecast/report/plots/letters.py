"""Letters that the usual font of figures lacks."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ASIAN_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Fonts with Chinese, Japanese or Korean letters that systems bring along."""


def find_letters(figure: Figure) -> None:
    """Give words with letters that the usual font lacks another font of this machine as well.

    Args:
        figure: with all its words.
    """
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    words = [text for text in figure.findobj(Text) if any(map(_is_foreign, text.get_text()))]
    if not words:
        return
    installed = {font.name for font in fontManager.ttflist}
    others = [name for name in ASIAN_FONTS if name in installed]
    for text in words:
        text.set_fontfamily([*text.get_fontfamily(), *others])


def _is_foreign(letter: str) -> bool:
    """Return whether a letter is beyond those of Europe and the Near East."""
    return ord(letter) >= 0x0900 and unicodedata.category(letter).startswith("L")
