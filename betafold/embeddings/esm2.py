"""The frozen ESM-2 encoder: sequences in, one vector per residue out (Lin et al., Science 379:1123, 2023)."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tqdm import tqdm

from betafold.embeddings.layouts import read_canonical
from betafold.errors import BetaFoldError

# Residues that fair-esm's alphabet has a token for. It drops blanks silently and fails with a bare
# KeyError on others, hence the check before it.
RESIDUES = frozenset("ACDEFGHIKLMNPQRSTVWYXBZUO")
# Names of the released models by (layers, width).
RELEASED = {
    (6, 320): "esm2_t6_8M",
    (12, 480): "esm2_t12_35M",
    (30, 640): "esm2_t30_150M",
    (33, 1280): "esm2_t33_650M",
    (36, 2560): "esm2_t36_3B",
    (48, 5120): "esm2_t48_15B",
}


class Esm2Encoder:
    """Residue representations of one layer of a frozen ESM-2 model.

    Attributes
    ----------
    name : str
        Architecture, e.g. ``esm2_t6_8M``.
    layer : int
        Layer the representations are taken after; the last one includes the final layer norm.
    dim : int
        Width of a representation (320 for 8M).
    weights_sha256 : str
        Digest of the weights, the same for every file layout.
    metadata : dict
        What the weight file says about itself (origin, licence ...).
    """

    def __init__(self, tensors: dict, metadata: dict, device: torch.device, layer: int | None = None):
        self.layer = metadata["layers"] if layer is None else layer
        if not 0 <= self.layer <= metadata["layers"]:
            raise BetaFoldError(f"ESM-2 layer {layer}: this model has layers 0 to {metadata['layers']}")
        self.dim = metadata["dim"]
        self.name = RELEASED.get((metadata["layers"], self.dim), f"esm2_t{metadata['layers']}_d{self.dim}")
        self.weights_sha256 = metadata["weights_sha256"]
        self.metadata = metadata
        self.device = device
        self.model, self.alphabet = _build(tensors, metadata, device)

    @torch.inference_mode()
    def embed(
        self, sequences: Sequence[str], max_tokens: int = 4096, progress: bool = False
    ) -> list[np.ndarray]:
        """Representations of ``sequences``, in their order.

        Parameters
        ----------
        sequences
            One-letter sequences of length >= 1 over :data:`RESIDUES`.
        max_tokens
            Budget of one batch: (longest sequence + 2) x number of sequences. A longer sequence
            makes a batch of its own.
        progress
            Show a progress bar (on a terminal).

        Returns
        -------
        list of float32 arrays [L, dim]; they do not depend on how sequences fall into batches.

        Raises
        ------
        BetaFoldError
            A sequence is empty or has a letter that ESM-2 does not know.
        """
        for sequence in sequences:
            unknown = sorted(set(sequence) - RESIDUES)
            if unknown or not sequence:
                raise BetaFoldError(
                    f"sequence '{sequence[:40]}': {'empty' if not sequence else f'ESM-2 has no residue {unknown[0]!r}'}"
                )
        convert = self.alphabet.get_batch_converter()
        results: list[np.ndarray] = [None] * len(sequences)
        with tqdm(total=len(sequences), unit="seq", disable=None if progress else True) as bar:
            for batch in token_batches(sequences, max_tokens):
                _, _, tokens = convert([("", sequences[i]) for i in batch])
                output = self.model(tokens.to(self.device), repr_layers=[self.layer])
                hidden = output["representations"][self.layer].float().cpu().numpy()
                for row, i in zip(hidden, batch, strict=True):
                    # BOS stands before the first residue, EOS and padding after the last.
                    results[i] = row[1 : 1 + len(sequences[i])].copy()
                bar.update(len(batch))
        return results


def token_batches(sequences: Sequence[str], max_tokens: int) -> Iterator[list[int]]:
    """Indices of ``sequences`` by increasing length, cut so that a padded batch fits ``max_tokens``."""
    batch: list[int] = []
    for i in sorted(range(len(sequences)), key=lambda i: len(sequences[i])):
        if batch and (len(sequences[i]) + 2) * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def load_esm2(
    path: str | os.PathLike, device: str | torch.device = "cpu", layer: int | None = None
) -> Esm2Encoder:
    """Encoder from canonical weights (``resolve_weights`` gives their path).

    Raises
    ------
    BetaFoldError
        ``path`` holds no canonical weights or damaged ones, or the model has no such ``layer``.
    """
    tensors, metadata = read_canonical(path)
    return Esm2Encoder(tensors, metadata, torch.device(device), layer)


def _build(tensors: dict, metadata: dict, device: torch.device):
    """fair-esm's ESM2 module with ``tensors``, frozen, and its alphabet."""
    try:
        from esm.data import Alphabet
        from esm.model.esm2 import ESM2
    except ImportError as error:
        # Another project on the package index is called 'esm' and installs under the same name.
        raise BetaFoldError(
            "the installed package 'esm' is not fair-esm: pip uninstall esm; pip install fair-esm==2.0.0"
        ) from error
    alphabet = Alphabet.from_architecture("ESM-1b")
    model = ESM2(metadata["layers"], metadata["dim"], metadata["heads"], alphabet)
    # Only representations are read; the vocabulary head is not part of the canonical weights.
    model.lm_head = torch.nn.Identity()
    absent, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.startswith("contact_head") for name in absent), (absent, unexpected)
    return model.eval().requires_grad_(False).to(device), alphabet
