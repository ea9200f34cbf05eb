"""ssh's own complaints, told by their kind."""

from __future__ import annotations

import pytest

from calexnet.errors import DeviceError, InputError
from calexnet.remote.ssh import Board


def test_words_go_through_a_remote_shell_unharmed() -> None:
    words = Board("me@there").words(["sh", "-c", 'echo "$1"', "sh", "a b;c"])

    assert ["--", "me@there", "sh -c 'echo \"$1\"' sh 'a b;c'"] == words[-3:]
    assert "BatchMode=yes" in words
    assert "StrictHostKeyChecking=yes" in words


@pytest.mark.parametrize("name", ["", "-oProxyCommand=evil"])
def test_an_option_is_no_board(name: str) -> None:
    with pytest.raises(InputError, match=r"no board: got .*; expected user@board"):
        Board(name)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "ssh: Could not resolve hostname nano: Name or service not known",
            "nano is no name that is known here: got ssh: Could not resolve hostname nano: Name or "
            "service not known. Look at its spelling, or name it in ~/.ssh/config.",
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "nano has another host key than it had before: got @ WARNING: REMOTE HOST "
            "IDENTIFICATION HAS CHANGED! @. If the board was set up anew: ssh-keygen -R its name, "
            "then ssh nano once by hand.",
        ),
        (
            "client_loop: send disconnect: Broken pipe",
            "the connection to nano was lost: got client_loop: send disconnect: Broken pipe. Give "
            "the same command again.",
        ),
    ],
)
def test_a_complaint_is_told_by_its_kind(said: str, told: str) -> None:
    problem = Board("nano").failure(said)

    assert isinstance(problem, DeviceError)
    assert told == str(problem)
