"""A spec: the YAML file that describes a model and its training."""

import math
import os
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any

import jsonschema
import yaml

from betafold.errors import BetaFoldError
from betafold.models.families import DEFAULT, FAMILIES, Family
from betafold.training.config import TrainingConfig
from betafold.training.families import trainer_class


@dataclass(frozen=True)
class Spec:
    """A model of some family and how it is trained."""

    model: Any  # the family's config
    training: TrainingConfig
    family_name: str = DEFAULT

    @property
    def family(self) -> Family:
        return FAMILIES[self.family_name]

    def as_dict(self) -> dict:
        """Plain values, in the sections of the file."""
        return {
            "family": self.family_name,
            "model": asdict(self.model),
            "training": asdict(self.training),
        }


def _is_integer(_checker, value) -> bool:
    """8.0 is none: what counts layers or widths cannot use it."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker, value) -> bool:
    """Neither .nan nor .inf is one, which no minimum or maximum would keep out."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


def schema(family: str = DEFAULT) -> dict:
    """The JSON schema of a family's spec: its own keys and those that all families share."""
    folder = files("betafold.models")
    own = yaml.safe_load(folder.joinpath(f"{family}.schema.yaml").read_text())
    shared = yaml.safe_load(folder.joinpath("shared.schema.yaml").read_text())
    for section, keys in shared.items():
        own["properties"][section]["properties"] |= keys
    return own


def read_spec(path: str | os.PathLike, **overrides) -> Spec:
    """Spec in the YAML file ``path``; ``overrides`` that are not None replace values of its training section.

    Raises BetaFoldError with one line for every mistake in the file.
    """
    try:
        with open(path) as handle:
            values = yaml.safe_load(handle)
    except OSError as error:
        raise BetaFoldError(f"{path}: {error.strerror.lower()}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise BetaFoldError(f"{path}{where}: not YAML; see config/models/ for examples") from None
    mistakes = [f"{path}: {mistake}" for mistake in find_mistakes(values)]
    given = {key: value for key, value in overrides.items() if value is not None}
    if given and not mistakes:
        values = {**values, "training": values.get("training", {}) | given}
        mistakes = [mistake.replace("training.", "--", 1) for mistake in find_mistakes(values)]
    if mistakes:
        raise BetaFoldError("\n".join(mistakes))
    return _spec(values)


def _spec(values: dict) -> Spec:
    """From values that the schema allows."""
    family = _family_name(values)
    config = trainer_class(family).Config
    training = config(**values.get("training", {}))
    training = replace(training, kind_weights=config().kind_weights | training.kind_weights)
    return Spec(FAMILIES[family].config(values["model"]), training, family)


def find_mistakes(values) -> list[str]:
    """One line for every mistake in the content of a spec."""
    name = _family_name(values)
    if name not in FAMILIES:
        return [f"family: {name} is not one of {', '.join(FAMILIES)}"]
    validator = _Validator(schema(name))
    errors = sorted(validator.iter_errors(values), key=lambda error: list(map(str, error.absolute_path)))
    mistakes = [_line(error) for error in errors]
    if mistakes:
        return mistakes
    spec = _spec(values)
    return spec.family.mistakes(spec.model) + spec.training.mistakes(spec.model)


def _family_name(values) -> str:
    return str(values.get("family", DEFAULT)) if isinstance(values, dict) else DEFAULT


def _line(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path))
    message = error.message.replace("\n", " ")
    if error.validator == "additionalProperties":
        message += f"; known are {', '.join(error.schema['properties'])}"
    elif error.validator == "type" and _is_number_in_text(error.instance):
        message += "; YAML reads a number like 1e-3 as text, write 1.0e-3"
    return f"{where}: {message}" if where else message


def _is_number_in_text(value) -> bool:
    try:
        return isinstance(value, str) and float(value) is not None
    except ValueError:
        return False
