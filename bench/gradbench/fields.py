"""What an input may hold: each function takes one field of a message, or says what is wrong with it."""

import numpy as np


class BadInput(ValueError):
    """An input is not what its evaluation defines; the text names the field."""


def field(data, name):
    if not isinstance(data, dict):
        raise BadInput(f"the input is {type(data).__name__}, not an object with the field `{name}`")
    try:
        return data[name]
    except KeyError:
        raise BadInput(f"the input has no field `{name}`; it has {', '.join(sorted(data)) or 'none'}") from None


def array(data, name, shape):
    """A float64 array of `shape`, in which None stands for any length."""
    try:
        found = np.array(field(data, name), dtype=np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"`{name}` is no array of numbers: {error}") from None
    if found.size == 0 and 0 in shape:      # JSON says [] and [[], []] for what has no elements
        found = found.reshape([0 if wanted is None else wanted for wanted in shape])
    fits = found.ndim == len(shape) and all(w is None or w == n for w, n in zip(shape, found.shape, strict=True))
    if not fits:
        wanted = " x ".join("any" if n is None else str(n) for n in shape) or "a single number"
        raise BadInput(f"`{name}` has shape {found.shape}; it is to be {wanted}")
    if not np.isfinite(found).all():
        raise BadInput(f"`{name}` holds a number that is not finite")
    return found


def number(data, name):
    return float(array(data, name, ()))


def integer(data, name, least):
    found = field(data, name)
    if isinstance(found, bool) or not isinstance(found, int) or found < least:
        raise BadInput(f"`{name}` is {found!r}; it is to be an integer from {least} on")
    return found


def indices(data, name, shape, below):
    """An integer array of `shape` whose elements are from 0 to `below` - 1."""
    found = array(data, name, shape)
    whole = found.astype(np.intp)
    if (whole != found).any() or (whole < 0).any() or (whole >= below).any():
        raise BadInput(f"`{name}` holds a number that is no index from 0 to {below - 1}")
    return whole
