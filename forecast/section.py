"""The base of every configuration section: strict, frozen, unknown keys refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import PydanticKnownError, core_schema

from forecast.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # by its public road


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


class _PlainErrors(ModelMetaclass):
    """Turns what pydantic says of a wrong setting into one sentence, where a section is made in Python."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        try:
            return super().__call__(*args, **settings)
        except ValidationError as error:
            raise ConfigError(_sentence(self, error)) from error


class Section(BaseModel, metaclass=_PlainErrors):
    """A group of settings that cannot be changed once made and refuses keys it does not know.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )


def _sentence(section: Any, error: ValidationError) -> str:
    """Say what was given and what was expected, for the first of the problems."""
    name, fields = section.__name__, list(section.model_fields)
    problems = error.errors(include_url=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        text = (
            f"{name} has no setting {place!r}{nearest(place, fields)}; it has {', '.join(fields)}"
        )
    elif first["type"] == "value_error":
        text = f"{name}: {first['ctx']['error']}"
    else:
        text = f"{name}.{place} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return text + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
