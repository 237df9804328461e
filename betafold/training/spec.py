"""A spec: the YAML file that describes a model and its training."""

import os
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files

import jsonschema
import yaml

from betafold.errors import BetaFoldError
from betafold.models.torsion import TorsionConfig

SCHEMA = "model.schema.yaml"


@dataclass(frozen=True)
class TrainingConfig:
    """The keys of the ``training`` section of a spec; the schema says what they mean."""

    seed: int = 7
    epochs: int = 60
    patience: int = 8
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.1
    gradient_clip: float = 1.0
    ema: float = 0.99
    omega_weight: float = 0.5
    kind_weights: dict[str, float] = field(
        default_factory=lambda: {"free": 3.0, "bound": 3.0, "fragment": 1.0}
    )
    confidence_epochs: int = 15
    confidence_tuning_epochs: int = 10
    confidence_learning_rate: float = 1e-3
    confidence_weight_decay: float = 0.1


@dataclass(frozen=True)
class Spec:
    """A model and how it is trained."""

    model: TorsionConfig
    training: TrainingConfig

    def as_dict(self) -> dict:
        return asdict(self)


def schema() -> dict:
    """The JSON schema of a spec, as it lies in the package."""
    return yaml.safe_load(files("betafold.models").joinpath(SCHEMA).read_text())


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
    if mistakes:
        raise BetaFoldError("\n".join(mistakes))
    training = TrainingConfig(**values.get("training", {}))
    kinds = TrainingConfig().kind_weights | training.kind_weights
    given = {key: value for key, value in overrides.items() if value is not None}
    return Spec(TorsionConfig(**values["model"]), replace(training, kind_weights=kinds, **given))


def find_mistakes(values) -> list[str]:
    """One line for every mistake in the content of a spec."""
    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(validator.iter_errors(values), key=lambda error: list(map(str, error.absolute_path)))
    mistakes = [_line(error) for error in errors]
    if not mistakes:
        model = TorsionConfig(**values["model"])
        if model.d_model % model.heads:
            mistakes.append(f"model.d_model: {model.d_model} is not a multiple of heads ({model.heads})")
    return mistakes


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
