"""The encoder gives what fair-esm itself gives, whatever the file layout and the batch."""

import numpy as np
import pytest
import torch
from esm.pretrained import load_model_and_alphabet_core
from hypothesis import given, settings
from hypothesis import strategies as st

from betafold.embeddings.esm2 import load_esm2, token_batches
from betafold.embeddings.weights import resolve_weights
from betafold.errors import BetaFoldError

SEQUENCES = [
    "ACDEFGHIKLMNPQRSTVWY",
    "GGGGGGGGGG",
    "MKTAYIAKQRQISFVKSHFSRQLEERLGLI",
    "ACDEFGHIKLX",
    "WWWWWWWWWWWW",
]


@pytest.fixture(scope="module")
def encoder(weight_files, tmp_path_factory):
    return load_esm2(resolve_weights(weight_files["fair-esm"], cache_dir=tmp_path_factory.mktemp("cache")))


def fair_esm_forward(checkpoint, sequences, layer):
    """fair-esm's documented use: its loader, its batch converter, its slicing."""
    model, alphabet = load_model_and_alphabet_core("esm2_tiny", checkpoint, None)
    _, _, tokens = alphabet.get_batch_converter()([(str(i), s) for i, s in enumerate(sequences)])
    with torch.no_grad():
        hidden = model.eval()(tokens, repr_layers=[layer])["representations"][layer]
    return [row[1 : len(s) + 1].numpy() for row, s in zip(hidden, sequences, strict=True)]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_equals_fair_esm(layer, weight_files, fair_esm_checkpoint, tmp_path):
    encoder = load_esm2(resolve_weights(weight_files["hugging-face"], cache_dir=tmp_path), layer=layer)
    expected = fair_esm_forward(fair_esm_checkpoint, SEQUENCES, layer)
    for mine, theirs in zip(encoder.embed(SEQUENCES), expected, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def hugging_face_forward(state, tokens, heads):
    """transformers' EsmModel, read from its documentation, on its own tensor names; tokens [T], no padding."""
    get = lambda name: state[f"esm.{name}"]
    norm = lambda x, name: torch.nn.functional.layer_norm(
        x, x.shape[-1:], get(f"{name}.weight"), get(f"{name}.bias"), 1e-5
    )
    dense = lambda x, name: x @ get(f"{name}.weight").T + get(f"{name}.bias")
    x = get("embeddings.word_embeddings.weight")[tokens] * (1 - 0.15 * 0.8)  # token dropout, nothing masked
    layers = 1 + max(int(name.split(".")[3]) for name in state if name.startswith("esm.encoder.layer."))
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        h = norm(x, f"{at}.attention.LayerNorm")
        q, k, v = (
            dense(h, f"{at}.attention.self.{part}").unflatten(-1, (heads, -1)).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        angles = torch.outer(
            torch.arange(len(tokens)).float(), get(f"{at}.attention.self.rotary_embeddings.inv_freq")
        )
        turn = torch.polar(torch.ones_like(angles), angles)  # pairs (i, i + d/2) rotate as complex numbers
        rotate = lambda y, turn=turn: torch.complex(*y.chunk(2, -1)) * turn
        q, k = (torch.cat([z.real, z.imag], -1) for z in (rotate(q), rotate(k)))
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        x = x + dense((weights @ v).transpose(0, 1).flatten(1), f"{at}.attention.output.dense")
        h = norm(x, f"{at}.LayerNorm")
        h = torch.nn.functional.gelu(dense(h, f"{at}.intermediate.dense"))
        x = x + dense(h, f"{at}.output.dense")
    return norm(x, "encoder.emb_layer_norm_after")


def test_equals_a_hugging_face_forward_pass(encoder, weight_files):
    state = torch.load(weight_files["hugging-face"], weights_only=True)
    for sequence, mine in zip(SEQUENCES, encoder.embed(SEQUENCES), strict=True):
        tokens = torch.tensor([encoder.alphabet.get_idx(token) for token in ("<cls>", *sequence, "<eos>")])
        theirs = hugging_face_forward(state, tokens, heads=4)[1:-1]
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-4)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=30), min_size=1, max_size=8),
    st.integers(1, 200),
)
def test_batches_and_padding_change_nothing(encoder, sequences, max_tokens):
    together = encoder.embed(sequences, max_tokens=10**6)
    batched = encoder.embed(sequences, max_tokens=max_tokens)
    for sequence, one, other in zip(sequences, together, batched, strict=True):
        assert one.shape == (len(sequence), encoder.dim)
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_allclose(one, encoder.embed([sequence])[0], atol=1e-5)


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 300))
def test_token_batches_cover_everything_within_the_budget(lengths, budget):
    batches = list(token_batches(["A" * n for n in lengths], budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (max(lengths[i] for i in batch) + 2) <= budget


@pytest.mark.parametrize("sequence", ["AC DEFGHIKL", "acdefghikl", "ACDEFGHIKJ", "ACDEFGHIK*", ""])
def test_letters_without_a_token_are_named(encoder, sequence):
    with pytest.raises(BetaFoldError, match="sequence '"):
        encoder.embed(["ACDEFGHIKL", sequence])


def test_no_sequences_and_no_gradients(encoder):
    assert encoder.embed([]) == []
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())


def test_absent_layer_and_unconverted_file_are_refused(weight_files, tmp_path):
    path = resolve_weights(weight_files["fair-esm"], cache_dir=tmp_path)
    with pytest.raises(BetaFoldError, match="layers 0 to 2"):
        load_esm2(path, layer=7)
    with pytest.raises(BetaFoldError, match="betafold fetch weights"):
        load_esm2(weight_files["fair-esm"])


def test_released_names(encoder):
    assert encoder.name == "esm2_t2_d24"
