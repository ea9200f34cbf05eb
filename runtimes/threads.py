"""How many threads a runtime takes when nobody says."""

from __future__ import annotations

import os


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
