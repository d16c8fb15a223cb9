"""One line about a wrong setting, in the same words for Python and for files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from forecast.section.wording import Place, dotted, expected_at, is_setting, suggestion

SHOWN_CHARACTERS = 60
"""Characters of a wrong value that a message shows, at most."""


def describe_problem(
    root: type[BaseModel],
    error: ValidationError,
    settings: Mapping[str, Any],
    origins: Mapping[Place, str] | None = None,
) -> str:
    """Return one line about the first wrong setting, and how many more there are.

    First is the one that was given first. Of the types that a setting may have, only the one that
    got furthest counts.

    Args:
        root: the section that was validated.
        error: pydantic's errors.
        settings: the settings as given.
        origins: where each setting was given, in that order; without it paths begin with the name
            of the class.
    """
    problems = {place: (problem, value) for place, problem, value in _problems(error, settings)}
    above = {place[:depth] for place in problems for depth in range(len(place))}
    places = [place for place in problems if place not in above]
    if origins is None:
        first = places[0]
        beginning = f"{root.__name__}."
        if not first:
            beginning = f"{root.__name__}: "
    else:
        order = {place: number for number, place in enumerate(origins)}
        first = min(places, key=lambda place: order.get(_given(place, origins), len(order)))
        origin = origins.get(_given(first, origins), "")
        beginning = f"{origin}: ".removeprefix(": ")
    text = beginning + _sentence(root, first, *problems[first])
    if len(places) > 1:
        text += f" (and {len(places) - 1} more)"
    return " ".join(text.split())


def _given(place: Place, origins: Mapping[Place, str]) -> Place:
    """Return the nearest place at or above `place` that was given; the top if there is none."""
    while place and place not in origins:
        place = place[:-1]
    return place


def _problems(
    error: ValidationError, settings: Mapping[str, Any]
) -> Iterator[tuple[Place, ErrorDetails, Any]]:
    """Yield the place of every error, the error, and the value given there."""
    for problem in error.errors(include_url=False):
        place, value = _locate(problem["loc"], settings)
        if problem["type"] == "missing":
            place = (*place, problem["loc"][-1])
        if problem["type"] == "union_tag_invalid":
            place = (*place, "name")
            value = problem["ctx"]["tag"]
        if problem["type"] == "value_error":
            place = _mentioned(str(problem["ctx"]["error"]), place, value)
        yield place, problem, value


def _locate(loc: tuple[int | str, ...], settings: Any) -> tuple[Place, Any]:
    """Follow an error's location as far as it names settings; it also names types tried."""
    place: Place = ()
    for step in loc:
        is_key = isinstance(settings, Mapping) and step in settings
        is_index = isinstance(settings, list | tuple) and isinstance(step, int)
        if is_key or (is_index and int(step) < len(settings)):
            settings = settings[step]
            place = (*place, step)
    return place, settings


def _mentioned(message: str, place: Place, section: Any) -> Place:
    """Return the place of the first given setting that a message names, else the section."""
    for word in message.split():
        names = tuple(word.strip(",;:'").split("."))
        if _locate(names, section)[0] == names:
            return (*place, *names)
    return place


def _sentence(root: type[BaseModel], place: Place, problem: ErrorDetails, value: Any) -> str:
    path = dotted(place)
    if problem["type"] == "value_error":
        return _cross_check(root, place, problem)
    if problem["type"] == "extra_forbidden":
        if is_setting(root, place):  # of another architecture
            return f"{path} is no setting of {problem['loc'][-2]}; remove it, or name another model"
        return f"{path} is no setting; {suggestion(root, place)}"
    if problem["type"] == "missing":
        return f"{path} is missing; expected {expected_at(root, place)}"
    hint = ""
    if isinstance(value, str) and _is_number(value):
        hint = " (remove the quotes)"
    return f"{path} is {shown(value)}; expected {expected_at(root, place)}{hint}"


def _cross_check(root: type[BaseModel], place: Place, problem: ErrorDetails) -> str:
    """Return the message of a validator with the path of its section before it."""
    message = str(problem["ctx"]["error"])
    section = tuple(step for step in problem["loc"] if step in place)
    if not section:
        return message
    first_words = message.split(" ", maxsplit=1)[0].split(".")
    separator = ": "
    if is_setting(root, (*section, *first_words)):
        separator = "."
    return f"{dotted(section)}{separator}{message}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text) is not None


def shown(value: Any) -> str:
    """Return a value as JSON, shortened for a message."""
    text = json.dumps(to_jsonable_python(value, fallback=repr), ensure_ascii=False)
    if len(text) > SHOWN_CHARACTERS:
        return f"{text[: SHOWN_CHARACTERS - 3]}..."
    return text
