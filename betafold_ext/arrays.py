"""Turns arguments into contiguous numpy arrays without copying where possible, and results back into their kind."""

import sys

import numpy as np

REAL = (np.dtype(np.float32), np.dtype(np.float64))


def is_tensor(array):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def as_numpy(array, name):
    """A numpy view of a numpy array or torch CPU tensor; a ValueError names the argument otherwise."""
    if is_tensor(array):
        if array.device.type != "cpu":
            raise ValueError(f"{name}: expected a CPU tensor, got one on {array.device}; call .cpu() first")
        if array.requires_grad:
            raise ValueError(
                f"{name}: requires grad, which this function does not carry; detach it, "
                "or use betafold.geometry for differentiable geometry"
            )
        try:
            return array.numpy()
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{name}: cannot be read as a plain array ({error})") from None
    try:
        return np.asarray(array)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: cannot be read as an array ({error})") from None


def real_array(array, name, tail, dtype=None):
    """A contiguous array [B, ...] of `dtype` (either precision when None) whose shape ends as `tail` says.

    `tail` holds one entry per axis after the batch: an int that the axis must equal, or a letter for any size >= 1.
    """
    array = as_numpy(array, name)
    shape, expected = array.shape, len(tail) + 1
    matches = len(shape) == expected and all(
        isinstance(want, str) or have == want for have, want in zip(shape[1:], tail)
    )
    if not matches:
        wanted = ", ".join(["B", *map(str, tail)])
        raise ValueError(f"{name}: expected shape [{wanted}], got {list(shape)}")
    if 0 in shape:
        raise ValueError(f"{name}: is empty, shape {list(shape)}")
    if array.dtype not in REAL:
        raise ValueError(f"{name}: expected dtype float32 or float64, got {array.dtype}")
    if dtype is not None and array.dtype != dtype:
        raise ValueError(f"{name}: expected dtype {dtype} like the first argument, got {array.dtype}")
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        array = np.require(array, requirements="CA")
    return array


def check_same_shape(array, name, like, like_name):
    if array.shape != like.shape:
        raise ValueError(
            f"{name}: expected shape {list(like.shape)} like {like_name}, got {list(array.shape)}"
        )


def lengths_array(lengths, batch, longest):
    """Contiguous int64 [B] with 1 <= length <= longest, or None."""
    if lengths is None:
        return None
    lengths = as_numpy(lengths, "lengths")
    if lengths.shape != (batch,):
        raise ValueError(f"lengths: expected shape [{batch}], got {list(lengths.shape)}")
    if lengths.dtype.kind not in "iu":
        raise ValueError(f"lengths: expected integers, got {lengths.dtype}")
    lengths = np.ascontiguousarray(lengths, dtype=np.int64)
    if lengths.min() < 1 or lengths.max() > longest:
        raise ValueError(
            f"lengths: expected values from 1 to {longest}, got {lengths.min()} to {lengths.max()}"
        )
    return lengths


def check_count(value, name, least=1):
    """An int, at most what fits into C's."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected a whole number >= {least}, got {value!r}")
    return min(int(value), 2**31 - 1)


def check_number(value, name, positive=False):
    """A finite float, not negative or, with `positive`, above zero."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (real and np.isfinite(value) and (value > 0 if positive else value >= 0)):
        raise ValueError(f"{name}: expected a number {'> 0' if positive else '>= 0'}, got {value!r}")
    return float(value)


def check_threads(n_threads):
    return min(check_count(n_threads, "n_threads"), 1024)


def like(result, argument):
    """The result as the kind of array that the argument is."""
    if is_tensor(argument):
        return sys.modules["torch"].from_numpy(result)
    return result
