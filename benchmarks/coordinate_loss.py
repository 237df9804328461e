"""What the coordinate term costs a training step: `python benchmarks/coordinate_loss.py`.

Steps of the mixture model of config/models/mixture.yaml on batches of 32 random peptides of 10-30 residues, one thread:
without the term, with it, and with it on a NeRF that is a torch loop. Prints the median and quartiles of interleaved
steps in milliseconds. Run in the environment that `make install` makes; needs no data.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import interleave
from torch_nerf import torch_loop

import betafold_ext
from betafold.models import losses
from betafold.provenance import PACKAGE_ROOT
from betafold.structures.samples import MAX_LENGTH, MIN_LENGTH, STANDARD, Sample
from betafold.training.dataset import PeptideDataset
from betafold.training.spec import read_spec
from betafold.training.torsion import TorsionTrainer

BATCH = 32
ROUNDS = 60
EXTENSION = losses.nerf


def batch(width):
    """32 random peptides with random embeddings."""
    rng = np.random.default_rng(0)
    samples, embeddings = [], {}
    for index in range(BATCH):
        length = int(rng.integers(MIN_LENGTH, MAX_LENGTH + 1))
        torsions = rng.normal((-1.2, 0.5, np.pi), 0.7, (length, 3)).astype(np.float32)
        coords = betafold_ext.nerf_batch(torsions[None])[0]
        sequence = "".join(rng.choice(list(STANDARD), length))
        mask = np.ones(length, bool)
        sample = Sample(f"p{index}", sequence, coords, torsions, mask, "free", f"p{index}", "A", 0, sequence)
        samples.append(sample)
        embeddings[sample.id] = rng.normal(size=(length, width)).astype(np.float16)
    dataset = PeptideDataset(samples, embeddings)
    return dataset, next(iter(dataset.loader([list(range(BATCH))])))


def make_step(coordinate_weight, nerf):
    """A function that makes one training step."""
    spec = read_spec(PACKAGE_ROOT / "config/models/mixture.yaml", coordinate_weight=coordinate_weight)
    torch.manual_seed(0)
    dataset, one = batch(spec.model.input_dim)
    model = spec.family.build(spec.model, None, "cpu")
    trainer = TorsionTrainer(model, spec.training, dataset, dataset, torch.device("cpu"))
    trainer.model.train()

    def step():
        losses.nerf = nerf
        trainer.add_gradient(one)
        trainer.update(spec.training.learning_rate)

    return step


def main():
    torch.set_num_threads(1)
    names = {
        "without the term": (0.0, EXTENSION),
        "with it, betafold_ext": (0.1, EXTENSION),
        "with it, torch loop": (0.1, lambda torsions, lengths: torch_loop(torsions)),
    }
    timings = interleave({name: (make_step(*made), 1) for name, made in names.items()}, ROUNDS)
    base = timings["without the term"].median
    print("one training step, ms of CPU time: median (quartiles)")
    for name, timing in timings.items():
        median, low, high = (1e3 * value for value in (timing.median, timing.low, timing.high))
        extra = f"  +{100 * (timing.median - base) / base:.1f} %" if timing.median != base else ""
        print(f"{name:24s} {median:8.2f} ({low:.2f}-{high:.2f}){extra}")


if __name__ == "__main__":
    main()
