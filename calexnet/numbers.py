"""What a caller may give for a number or a name: one check, at the public door."""

from __future__ import annotations

from numbers import Integral

from calexnet.errors import InputError

#: Threads of one operator; beyond, runtimes fail in ways of their own (LiteRT crashes).
MOST_THREADS = 1024


def whole(name: str, value: object, least: int, most: int, *, none: str = "") -> int:
    """Return `value` as an int, if it is a whole number from `least` to `most`.

    Args:
        name: What it is, for the message.
        value: Any object; no bool, and no float even if it is whole.
        least: The smallest that can be used.
        most: The largest.
        none: What may be given instead, for the message.

    Raises:
        InputError: It is something else.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not least <= int(value) <= most:  # type: ignore[call-overload]
        raise InputError(
            f"{name} cannot be used",
            got=shown(value),
            expected=f"a whole number from {least} to {most}{none}",
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def threads(value: object) -> int | None:
    """Return a number of threads, ``None`` = all cores; raises as `whole` does."""
    return None if value is None else whole("threads", value, 1, MOST_THREADS, none=", or None")


def named(name: str, value: object) -> None:
    """Do nothing if `value` is text or ``None``.

    Raises:
        InputError: It is something else.
    """
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} cannot be used", got=shown(value), expected="a name, or None")


def shown(value: object) -> str:
    """Return `value` as a message shows it; Python writes no integer of thousands of digits."""
    try:
        return repr(value)
    except ValueError:
        return f"a {type(value).__name__} too large to be written"
