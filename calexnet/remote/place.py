"""The environment on a board: found or made, with this very calexnet in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from calexnet.errors import DeviceError, StorageError
from calexnet.remote.parcel import Parcel, parcel, send
from calexnet.remote.ssh import Board
from calexnet.remote.wheel import Wheel

#: Its words: the wheel's hash, then the digests of contents. One fact a line.
_LOOK = """set -e
root="$HOME/.cache/calexnet/boards"
mkdir -p "$root"
echo "root $root"
echo "machine $(uname -m)"
echo "free $(df -Pk "$root" | tail -n 1)"
for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
  if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "python $(command -v "$name")"
    break
  fi
done
echo "version $(python3 -V 2>/dev/null || echo none)"
if [ -e "$root/$1/extras" ]; then echo "extras $(cat "$root/$1/extras")"; fi
shift
for digest in "$@"; do
  if [ -e "$root/content/$digest" ]; then echo "has $digest"; fi
done
"""
#: Its words: the environment, and the Python to make it with. What JetPack brings is no wheel.
_MAKE = """set -e
site=
if [ -e /etc/nv_tegra_release ]; then site=--system-site-packages; fi
"$2" -m venv --clear $site "$1/venv"
"""
#: Its words: the environment, its extras from now on, and what pip is to install.
_INSTALL = """set -e
export LC_ALL=C
place="$1"; extras="$2"; shift 2
if grep -q '^# R36' /etc/nv_tegra_release 2>/dev/null; then set -- "$@" 'cuda-bindings==12.*'; fi
PIP_DISABLE_PIP_VERSION_CHECK=1 "$place/venv/bin/python" -Im pip install --quiet --no-input "$@"
echo "$extras" > "$place/extras"
"""
#: Bytes that an environment takes with numpy and one runtime, and pip while it unpacks them.
_ROOM = 400 * 10**6


@dataclass(frozen=True)
class Place:
    """Where calexnet lies on a board.

    Attributes:
        root: Folder of all that is calexnet's there.
        home: In it, of this very calexnet.
        python: The one that makes environments; ``None`` if there is none new enough.
        version: What ``python3`` says of itself.
        machine: The processor's architecture.
        free: Bytes on its disk.
        extras: Installed ones; ``None`` before there is an environment.
        contents: Digests of what is there.
    """

    root: str
    home: str
    python: str | None
    version: str
    machine: str
    free: int
    extras: tuple[str, ...] | None
    contents: frozenset[str]

    @property
    def interpreter(self) -> str:
        """The environment's Python."""
        return f"{self.home}/venv/bin/python"


def look(board: Board, source_hash: str, parcels: Sequence[Parcel]) -> Place:
    """Return what there is on a board."""
    words = ["sh", "-c", _LOOK, "sh", source_hash, *(item.digest for item in parcels)]
    lines = [line.partition(" ")[::2] for line in board.run("looking around", words).splitlines()]
    facts = dict(lines)
    extras = facts.get("extras")
    return Place(
        root=facts["root"],
        home=f"{facts['root']}/{source_hash}",
        python=facts.get("python"),
        version=facts["version"],
        machine=facts["machine"],
        free=int(facts["free"].split()[3]) * 1024,
        extras=None if extras is None else tuple(extras.split()),
        contents=frozenset(value for name, value in lines if name == "has"),
    )


def furnish(
    board: Board,
    place: Place,
    wheel: Wheel,
    extras: tuple[Sequence[str], Sequence[str]],
    wheelhouse: Parcel | None,
) -> None:
    """Make the environment with `extras`, or add those that it lacks.

    Args:
        board: Where.
        place: What is there.
        wheel: Of this calexnet.
        extras: Of ``pip install calexnet[...]``: those that it has to have, and those that it is
            to have where they can be had.
        wheelhouse: Folder of wheels to install from, instead of the network.

    Raises:
        CalexnetError: The board has no Python or no room for it, or pip fails.
    """
    held = place.extras or ()
    missing, wished = ([extra for extra in kind if extra not in held] for kind in extras)
    if place.extras is not None and not missing and not wished:
        return
    if place.python is None:
        raise DeviceError(
            f"there is no Python for calexnet on {board.destination}",
            got=place.version,
            expected="Python 3.10 or newer",
            fix="Install one there, for example: sudo apt-get install python3.10-venv",
        )
    print(f"{board.destination}: installing {', '.join([*missing, *wished])}", file=sys.stderr)
    if place.extras is None:
        board.run(
            f"making an environment with {place.python}",
            ["sh", "-c", _MAKE, "sh", place.home, place.python],
            fix="On Debian and Ubuntu: sudo apt-get install python3-venv",
        )
    if missing or place.extras is None:
        held = (*held, *missing)
        _install(board, place, wheel, held, wheelhouse)
    for extra in wished:
        try:
            _install(board, place, wheel, (*held, extra), wheelhouse)
        except DeviceError as problem:
            print(f"{board.destination}: goes without {extra}: {problem}", file=sys.stderr)
        else:
            held = (*held, extra)


def _install(
    board: Board, place: Place, wheel: Wheel, extras: Sequence[str], wheelhouse: Parcel | None
) -> None:
    package = parcel(wheel.path)
    sources = [package, *([wheelhouse] if wheelhouse else [])]
    send(board, place.root, [item for item in sources if item.digest not in place.contents])
    wanted = [f"{package.there(place.root)}[{','.join(extras)}]"]
    if wheelhouse:
        wanted += ["--no-index", "--find-links", wheelhouse.there(place.root)]
    board.run(
        f"installing {', '.join(extras)} ({place.python}, {place.machine})",
        ["sh", "-c", _INSTALL, "sh", place.home, " ".join(extras), *wanted],
        fix="If it has no network, or no wheel fits it: --wheelhouse DIR (docs/boards.md)",
    )


def require_room(board: Board, place: Place, parcels: Sequence[Parcel]) -> None:
    """Do nothing if all that is to be sent and installed has room.

    Raises:
        StorageError: It has not.
    """
    needed = sum(item.size for item in parcels) + (_ROOM if place.extras is None else 0)
    if place.free < needed:
        raise StorageError(
            f"there is no space left on {board.destination}",
            got=f"{place.free / 1e6:.0f} MB for {place.root}",
            expected=f"{needed / 1e6:.0f} MB",
            fix="Make room there; what earlier runs sent is in ~/.cache/calexnet/boards",
        )
