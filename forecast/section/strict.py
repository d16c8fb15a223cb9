"""Strict, frozen groups of settings, and the value `auto` of a setting that the data decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import PydanticKnownError, core_schema, to_jsonable_python

from forecast.errors import ConfigError
from forecast.section.problems import describe_problem
from forecast.section.wording import Place

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # the same class, without importing a private module

Auto = Literal["auto"]
"""Value of a setting that the data decide."""

AUTO: Auto = "auto"

PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]

Steps = Annotated[int, Field(ge=1, le=100_000)]

Name = Annotated[str, Field(min_length=1)]

Value = TypeVar("Value")

AnySection = TypeVar("AnySection", bound="Section")


def decided(value: Value | Auto, name: str) -> Value:
    """Return a setting that may be `auto`, once it has a value.

    Args:
        value: the setting.
        name: its path, such as `training.epochs`, for the message.

    Raises:
        ConfigError: it is still `auto`.
    """
    if isinstance(value, str) and value == AUTO:
        raise ConfigError(
            f"{name} is 'auto', which the data decide: prepare the experiment with its table "
            f"first, or set a value"
        )
    return value


@dataclass(frozen=True)
class OneOf:
    """Annotation of a text setting that takes one of the names in a table: `Annotated[str, OneOf]`.

    The table is read whenever a value is checked, so an entry added later counts too.

    Attributes:
        names: returns the names, in the order in which messages list them.
    """

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Check the name after pydantic has checked that it is a text."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """List the names, as the schema of a `Literal` does."""
        return {**handler(schema), "enum": list(self.names())}

    def _check(self, name: str) -> str:
        names = list(self.names())
        if name in names:
            return name
        *others, last = map(repr, names)
        expected = f"{', '.join(others)} or {last}" if others else last
        raise PydanticKnownError("literal_error", {"expected": expected})


class _OneLineErrors(ModelMetaclass):
    """Turns validation errors into a `ConfigError` of one line, for sections made in Python."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        try:
            return super().__call__(*args, **settings)
        except ValidationError as error:
            root = cast(type[BaseModel], self)
            raise ConfigError(describe_problem(root, error, settings)) from error


class Section(BaseModel, metaclass=_OneLineErrors):
    """A group of settings that cannot be changed once made and refuses keys it does not know.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )


def section_from(
    kind: type[AnySection],
    settings: Mapping[str, Any],
    origins: Mapping[Place, str] | None = None,
) -> AnySection:
    """Make a section from settings in plain types, as JSON or YAML give them.

    Types are exact: a text is no number, and a list may stand for a tuple.

    Args:
        kind: the class of the section.
        settings: nested settings.
        origins: where each was given, such as `my.yaml, line 3`, in that order; for messages.

    Raises:
        ConfigError: a setting is wrong; names its place and what was expected.
    """
    try:
        return kind.model_validate_json(json.dumps(settings), strict=True)
    except ValidationError as error:
        raise ConfigError(describe_problem(kind, error, settings, origins or {})) from error


def with_replaced(
    section: AnySection, settings: Mapping[str, Any], *, kept: str = "search"
) -> AnySection:
    """Return a section with some settings replaced, checked together.

    Args:
        section: with sections inside.
        settings: path, such as `training.epochs`, -> value.
        kept: a section inside that stays as it is.

    Raises:
        ConfigError: the settings do not fit together.
    """
    values = section.model_dump(mode="json", exclude={kept})
    for path, value in settings.items():
        *parents, name = path.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[name] = to_jsonable_python(value)
    checked = section_from(type(section), values)
    return checked.model_copy(update={kept: getattr(section, kept)})
