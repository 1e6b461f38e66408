"""What holds arrays to their documented shapes and types while the tests run.

Only jaxtyping hints are checked, of arguments and of what is returned, an axis name being one number
within a call; mypy checks the rest, and tests must be able to pass what is wrong to see it refused. Of a
function that is called often the first calls are checked and then one in many, or loops would take ten
times as long.
"""

import functools
import inspect
import itertools
import typing
from collections.abc import Callable
from typing import Any

from jaxtyping import AbstractArray

FIRST = 100
"""Calls of a function that are all checked."""
THEN_EVERY = 50


def check(function: Any) -> Any:
    """Return the function with its array hints checked; a class comes back as it is."""
    if inspect.isclass(function) or not getattr(function, "__annotations__", None):
        return function

    signature = inspect.signature(function)
    calls = itertools.count()

    @functools.wraps(function)
    def checked(*values: Any, **named: Any) -> Any:
        call = next(calls)
        hints = array_hints(function) if call < FIRST or call % THEN_EVERY == 0 else {}
        if not hints:
            return function(*values, **named)
        bound = signature.bind(*values, **named)
        for name, hint in hints.items():
            if name in bound.arguments:
                require(function, name, bound.arguments[name], hint)
        found = function(*values, **named)
        if "return" in hints:
            require(function, "return", found, hints["return"])
        return found

    return checked


@functools.cache
def array_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the hints that are one kind of array, by argument."""
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}
    return {k: v for k, v in hints.items() if inspect.isclass(v) and issubclass(v, AbstractArray)}


def require(function: Any, name: str, value: Any, hint: Any) -> None:
    """Raise a TypeError where a value is an array of another shape or type than its hint says."""
    if hasattr(value, "shape") and not isinstance(value, hint):
        got = f"{value.dtype} {tuple(value.shape)}"
        raise TypeError(f"{function.__qualname__}: {name} is {got}, its hint is {hint.__name__}")
