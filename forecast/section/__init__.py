"""Base of every configuration section.

A section is strict and frozen, and an error in it is one line. A setting that the data decide has
the value `auto` (`Auto`) until an experiment is prepared with its table; `decided` reads it then.
"""

from forecast.section.strict import (
    AUTO,
    AnySection,
    Auto,
    Name,
    OneOf,
    PositiveInt,
    Section,
    Steps,
    decided,
    section_from,
    with_replaced,
)
from forecast.section.wording import Place

__all__ = [
    "AUTO",
    "AnySection",
    "Auto",
    "Name",
    "OneOf",
    "Place",
    "PositiveInt",
    "Section",
    "Steps",
    "decided",
    "section_from",
    "with_replaced",
]
