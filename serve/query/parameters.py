"""Parameters of queries: text becomes a typed value, or an error that says what was expected. No I/O."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from contracts.errors import SettingsError
from serve.query.errors import ParameterError
from serve.query.values import NOUNS, Type, Value, value_of

_FEW = 120
"""So many characters of a wrong value are repeated to whoever gave it."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One parameter of a query, as the file of queries declares it.

    One that is not required and has no default is null where it is not given. `minimum` and `maximum` belong to it;
    `pattern` has to match all of a text. Decimals, times and dates are written as JSON strings.
    """

    type: Type
    description: str
    required: bool = False
    default: str | int | bool | None = None
    minimum: str | int | None = None
    maximum: str | int | None = None
    choices: tuple[str | int, ...] = ()
    pattern: str | None = None


def read_values(
    parameters: Mapping[str, Parameter], given: Sequence[tuple[str, str]], most_characters: int
) -> dict[str, Value | None]:
    """Read the values of a query's parameters from what was given; what was not given is its default, or null.

    Raises:
        ParameterError: one is unknown, given twice, missing, too long or not what it has to be.
    """
    found: dict[str, Value | None] = {}
    for name, text in given:
        if name not in parameters:
            raise ParameterError(
                f"unknown parameter {_shown(name)}",
                expected=f"parameters of {', '.join(parameters)}" if parameters else "no parameter",
            )
        if name in found:
            raise ParameterError(f"parameter {name}", expected="one value", found="more than one")
        if len(text) > most_characters:
            raise ParameterError(
                f"parameter {name}", expected=f"at most {most_characters} characters", found=f"{len(text)}"
            )
        found[name] = read_value(name, parameters[name], text)
    for name, parameter in parameters.items():
        if name not in found:
            if parameter.required:
                raise ParameterError(f"parameter {name}", expected=expectation(parameter), found="nothing")
            found[name] = default_of(name, parameter)
    return found


def default_of(name: str, parameter: Parameter) -> Value | None:
    """Return the value of a parameter that is not given."""
    return None if parameter.default is None else read_value(name, parameter, written(parameter.default))


def read_value(name: str, parameter: Parameter, text: str) -> Value:
    """Read one value.

    Raises:
        ParameterError: it is not what it has to be.
    """
    value = value_of(parameter.type, text)
    if value is None or not _is_allowed(parameter, text, value):
        raise ParameterError(f"parameter {name}", expected=expectation(parameter), found=_shown(text))
    return value


def expectation(parameter: Parameter) -> str:
    """Say what a value has to be.

    >>> expectation(Parameter(type="integer", description="", minimum=1, maximum=500))
    'an integer from 1 to 500'
    """
    words = [NOUNS[parameter.type]]
    if parameter.choices:
        words.append(f"of {', '.join(map(str, parameter.choices))}")
    if parameter.pattern is not None:
        words.append(f"that matches {parameter.pattern}")
    least, most = parameter.minimum, parameter.maximum
    if least is not None and most is not None:
        words.append(f"from {least} to {most}")
    elif least is not None:
        words.append(f"of at least {least}")
    elif most is not None:
        words.append(f"of at most {most}")
    return " ".join(words)


def check_parameter(name: str, parameter: Parameter) -> None:
    """Check that a declaration makes sense.

    Raises:
        SettingsError: it does not; the message names the field.
    """
    if parameter.pattern is not None:
        if parameter.type != "text":
            raise SettingsError(f"parameters.{name}.pattern: expected none for a {parameter.type}, found one")
        try:
            re.compile(parameter.pattern)
        except re.error as error:
            raise SettingsError(
                f"parameters.{name}.pattern: expected a regular expression, found {parameter.pattern!r}: {error}"
            ) from None
    if parameter.type in {"text", "boolean"} and (parameter.minimum, parameter.maximum) != (None, None):
        raise SettingsError(f"parameters.{name}.minimum: expected none for a {parameter.type}, found one")
    if parameter.required and parameter.default is not None:
        raise SettingsError(f"parameters.{name}.default: expected none for a parameter that is required, found one")
    for field in ("minimum", "maximum"):
        bound = getattr(parameter, field)
        if bound is not None and value_of(parameter.type, written(bound)) is None:
            raise SettingsError(f"parameters.{name}.{field}: expected {NOUNS[parameter.type]}, found {bound!r}")
    for choice in parameter.choices:
        if value_of(parameter.type, written(choice)) is None:
            raise SettingsError(f"parameters.{name}.choices: expected {NOUNS[parameter.type]}, found {choice!r}")
    try:
        default_of(name, parameter)
    except ParameterError as error:
        raise SettingsError(
            f"parameters.{name}.default: expected {error.problem.expected}, found {parameter.default!r}"
        ) from None


def written(value: str | int | bool) -> str:
    """Write a value of the file as one that a client gives."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_allowed(parameter: Parameter, text: str, value: Value) -> bool:
    if parameter.choices and value not in {value_of(parameter.type, written(choice)) for choice in parameter.choices}:
        return False
    if parameter.pattern is not None and re.fullmatch(parameter.pattern, text) is None:
        return False
    least, most = (
        None if bound is None else value_of(parameter.type, written(bound))
        for bound in (parameter.minimum, parameter.maximum)
    )
    return (least is None or value >= least) and (most is None or value <= most)  # type: ignore[operator]


def _shown(text: str) -> str:
    return repr(text if len(text) <= _FEW else f"{text[:_FEW]}…")
