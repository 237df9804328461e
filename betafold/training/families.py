"""How models of each family are trained; see ``betafold.models.families``."""

from collections.abc import Callable

from betafold.training.trainer import Trainer


def _torsion() -> type[Trainer]:
    from betafold.training.torsion import TorsionTrainer

    return TorsionTrainer


def _mtp() -> type[Trainer]:
    from betafold.training.mtp import MtpTrainer

    return MtpTrainer


# Every key of ``betafold.models.families.FAMILIES``; a family's trainer is imported when it is first used.
TRAINERS: dict[str, Callable[[], type[Trainer]]] = {"torsion": _torsion, "mtp": _mtp}


def trainer_class(family: str) -> type[Trainer]:
    """The trainer of ``family``; its ``Config`` is the class of the spec's ``training`` section."""
    return TRAINERS[family]()
