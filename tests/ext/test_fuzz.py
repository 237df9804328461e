"""Whatever is passed in: the result of a plain contiguous copy, bit for bit, or a ValueError that names the argument."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import betafold_ext

# Function, shapes of its arrays for B items of N residues, keyword arguments other than lengths and n_threads.
FUNCTIONS = {
    "nerf_batch": ([("torsions", "BN3")], {}),
    "torsions_batch": ([("coords", "BN33")], {}),
    "nerf_batch_vjp": ([("torsions", "BN3"), ("coords", "BN33"), ("grad_coords", "BN33")], {}),
    "kabsch_rmsd_batch": ([("P", "BN3"), ("Q", "BN3")], {"weights": "BN"}),
    "kabsch_superpose_batch": ([("P", "BN3"), ("Q", "BN3")], {"weights": "N"}),
    "rmsd_to_reference": ([("X", "BN3"), ("ref", "N3")], {}),
    "rmsd_matrix": ([("X", "BN3")], {"Y": "MN3"}),
    "lddt_batch": ([("predicted", "BN3"), ("native", "BN3")], {}),
    "gdt_batch": ([("predicted", "BN3"), ("native", "BN3")], {}),
    "tm_score_batch": ([("predicted", "BN3"), ("native", "BN3")], {}),
    "distance_matrix_batch": ([("X", "BN3")], {}),
    "minimise_stress_batch": ([("distances", "BNN"), ("points", "BN3")], {"bounds": "BN22"}),
}


def test_every_function_is_fuzzed():
    assert set(FUNCTIONS) == set(betafold_ext.__all__) - {"isa"}


def reversed_view(x):
    return x[::-1].copy()[::-1]


def every_second(x):
    return np.repeat(x, 2, axis=0)[::2]


def inner_slice(x):
    wide = np.full((*x.shape[:-1], x.shape[-1] + 2), np.nan, x.dtype)
    wide[..., 1:-1] = x
    return wide[..., 1:-1]


def unaligned(x):
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def tensor(x):
    return torch.from_numpy(np.ascontiguousarray(x))


# Other shapes in memory of the same values.
LAYOUTS = [
    np.ascontiguousarray,
    np.asfortranarray,
    reversed_view,
    every_second,
    inner_slice,
    unaligned,
    read_only,
    tensor,
    lambda x: tensor(x.T).permute(*reversed(range(x.ndim))),
    lambda x: torch.repeat_interleave(tensor(x), 2, dim=0)[::2],
    lambda x: tensor(np.repeat(x, 3, axis=-1))[..., 1::3],
    lambda x: torch.nn.Parameter(tensor(x), requires_grad=False),
]
# What every function refuses: other kinds of array, and other shapes.
REFUSED_KINDS = [
    lambda x: np.ones(x.shape, np.float16),
    lambda x: x.astype(x.dtype.newbyteorder()),
    lambda x: np.zeros(x.shape, int),
    lambda x: x.astype(np.longdouble),
    lambda x: x.astype(complex),
    lambda x: x.astype(object),
    lambda x: np.full(x.shape, "x"),
    lambda x: tensor(x).bfloat16(),
    lambda x: tensor(x).requires_grad_(),
    lambda x: tensor(x).to_sparse(),
    lambda x: torch.empty(x.shape, device="meta"),
    lambda x: [[1.0, 2.0], [3.0]],
    lambda x: object(),
    lambda x: 1.0,
    lambda x: "text",
]
REFUSED_SHAPES = [
    lambda x: x[None],
    lambda x: x[..., 0],
    lambda x: x[..., :0],
    lambda x: x[:0],
    lambda x: np.concatenate([x, x[..., :1]], axis=-1),
]
LENGTH_KINDS = [
    lambda x: x.tolist(),
    lambda x: x.astype(np.uint8),
    lambda x: x.astype(">i4"),
    lambda x: x.astype(np.uint64),
    lambda x: torch.as_tensor(x, dtype=torch.int16),
    lambda x: np.repeat(x, 2)[::2],
    read_only,
]
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e-30, 5e-324, 3e38]


def array(letters, sizes, rng, dtype, special):
    x = rng.normal(size=[sizes[letter] for letter in letters], scale=3.0)
    if letters in ("BNN", "BN", "N", "BN22"):
        x = np.abs(x)
    for value in special:
        x[tuple(rng.integers(0, n) for n in x.shape)] = value
    with np.errstate(over="ignore"):
        return x.astype(dtype)


@st.composite
def calls(draw):
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    positional, keyword = FUNCTIONS[name]
    sizes = {"B": draw(st.integers(1, 19)), "N": draw(st.integers(1, 11)), "M": draw(st.integers(1, 5))}
    sizes |= {"3": 3, "2": 2}
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    special = draw(st.lists(st.sampled_from(SPECIAL), max_size=3))
    arrays = {key: array(letters, sizes, rng, dtype, special) for key, letters in positional}
    for key, letters in keyword.items():
        if draw(st.booleans()):
            arrays[key] = array(letters, sizes, rng, dtype, [])
    options = {"n_threads": draw(st.sampled_from([1, 2, np.int64(3), 1000]))}
    lengths = None
    if "lengths" in inspect.signature(getattr(betafold_ext, name)).parameters and draw(st.booleans()):
        lengths = rng.integers(1, sizes["N"] + 1, sizes["B"])
    return name, arrays, options, lengths


def results(value):
    value = value if isinstance(value, tuple) else (value,)
    return [x.numpy() if isinstance(x, torch.Tensor) else x for x in value]


def bytes_of(x):
    return (x.numpy() if isinstance(x, torch.Tensor) else x).tobytes()


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@FUZZ
@given(calls(), st.data())
def test_layout_changes_nothing(call, data):
    name, arrays, options, lengths = call
    function = getattr(betafold_ext, name)
    expected = results(function(**arrays, **({} if lengths is None else {"lengths": lengths})))
    other = {key: data.draw(st.sampled_from(LAYOUTS))(x) for key, x in arrays.items()}
    before = {key: bytes_of(x) for key, x in other.items()}
    if lengths is not None:
        options["lengths"] = data.draw(st.sampled_from(LENGTH_KINDS))(lengths)
    for found, right in zip(results(function(**other, **options)), expected, strict=True):
        assert same_bits(found, right)
    for key, x in other.items():
        assert bytes_of(x) == before[key], "an argument was written to"


@FUZZ
@given(calls(), st.data())
def test_what_is_refused_is_named(call, data):
    name, arrays, options, lengths = call
    if lengths is not None:
        options["lengths"] = lengths
    named = data.draw(st.sampled_from(sorted(arrays)))
    # Weights may be [B, N] or [N].
    refused = REFUSED_KINDS if named == "weights" else REFUSED_KINDS + REFUSED_SHAPES
    arrays[named] = data.draw(st.sampled_from(refused))(arrays[named])
    with pytest.raises(ValueError, match=r"^\w+: ") as error:
        getattr(betafold_ext, name)(**arrays, **options)
    assert str(error.value).split(":")[0] in arrays and "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_other_arguments_are_named(name):
    function = getattr(betafold_ext, name)
    sizes, rng = {"B": 3, "N": 4, "M": 2, "3": 3, "2": 2}, np.random.default_rng(0)
    arrays = {key: array(letters, sizes, rng, np.float32, []) for key, letters in FUNCTIONS[name][0]}
    wrong = {
        "lengths": [
            [4, 4],
            [4, 4, 5],
            [4, 4, 0],
            [[4, 4, 4]],
            [4.0] * 3,
            ["4"] * 3,
            [None] * 3,
            2**63,
            "444",
        ],
        "n_threads": [0, -3, 1.0, True, None, "2", 2**70 * -1],
        "weights": [-np.ones((3, 4), np.float32), np.ones(3, np.float32), "x", np.ones((3, 4))],
        "cutoff": [0, -1.0, np.nan, np.inf, None, "15"],
        "min_separation": [0, -1, 1.5, None, "3"],
        "weight": [-1.0, np.nan, None, "1"],
        "iterations": [-1, 1.5, None, True],
        "tolerance": [-1.0, np.inf, None],
    }
    for option, values in wrong.items():
        if option in inspect.signature(function).parameters:
            for value in values:
                with pytest.raises(ValueError, match=f"^{option}: "):
                    function(**arrays, **{option: value})
