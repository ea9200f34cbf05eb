"""What a command line that means nothing is told."""

from __future__ import annotations

import pytest

from calexnet.cli import COMMANDS, bench, export, main
from calexnet.cli.parser import Parser


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert 2 == caught.value.code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(["trian"], capsys)

    assert line.startswith("calexnet: error: argument command: invalid choice: 'trian' (choose")
    assert line.endswith("; did you mean train? See: calexnet --help")


def test_an_option_is_guessed_by_the_command_that_has_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["train", "--data", "digits", "--out", "x", "--backbnoe=resnet8"]

    assert (
        "calexnet train: error: unrecognized arguments: --backbnoe=resnet8; did you mean "
        "--backbone? See: calexnet train --help"
    ) == refusal(words, capsys)


def test_an_option_of_an_inner_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(["analyse", "pareto", "sweeps", "--out", "x", "--no-figure5"], capsys)

    assert line.endswith(
        "--no-figure5; did you mean --no-figures? See: calexnet analyse pareto --help"
    )


def test_a_word_like_no_other_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(["data", "digits", "--out", "x", "--zzz"], capsys)

    assert line == (
        "calexnet data: error: unrecognized arguments: --zzz. See: calexnet data --help"
    )


@pytest.mark.parametrize("module", [bench, export])
def test_a_program_of_its_own_is_a_command_too(module: object) -> None:
    assert module.__name__ in COMMANDS.values()  # type: ignore[attr-defined]


def test_what_was_parsed_is_spelled_so_that_it_means_the_same() -> None:
    parser = Parser(prog="calexnet-bench")
    bench.configure(parser)
    words = "b --out r --batch 4,1 --tolerance 0.3 --allow-unstable --load rate:3 --seed -2"
    words += " --fail-if p95_ms>8 --fail-if top1_drop>0.5 --rival x.onnx"
    found = parser.parse_args([*words.split(), "--data", "-- odd"])

    spelled = parser.spelled(found, {})

    again = parser.parse_args(spelled)
    assert {**vars(found), "command_line": None} == {**vars(again), "command_line": None}
    other = parser.parse_args(parser.spelled(found, {"bundle": "there", "rival": []}))
    assert ("there", []) == (str(other.bundle), other.rival)
