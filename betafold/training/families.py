"""How models of each family are trained; see ``betafold.models.families``."""

from betafold.training.trainer import Trainer


def trainer_class(family: str) -> type[Trainer]:
    """The trainer of ``family``; its ``Config`` is the class of the spec's ``training`` section."""
    if family == "mtp":
        from betafold.training.mtp import MtpTrainer

        return MtpTrainer
    from betafold.training.torsion import TorsionTrainer

    return TorsionTrainer
