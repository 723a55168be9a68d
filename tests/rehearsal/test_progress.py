"""What is shown while something takes long, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rehearsal.progress import ConsoleProgress
from tests.rehearsal.programs import comes_true


@pytest.fixture
def shown():
    return io.StringIO()


def test_brackets_in_a_text_are_no_markup_and_lines_stay_whole(shown):
    path = "/a/[b]/" + "c" * 200
    ConsoleProgress(Console(file=shown)).say(path)
    assert shown.getvalue() == f"{path}\n"


def test_elsewhere_a_step_says_when_it_starts_and_how_long_it_took(shown):
    with ConsoleProgress(Console(file=shown)).busy("Building"):
        pass
    assert shown.getvalue() == "Building …\nBuilding: done after 0 s\n"


def test_elsewhere_a_long_step_gives_a_sign_of_life_with_how_far_it_is(shown):
    progress = ConsoleProgress(Console(file=shown), heartbeat=0.02)
    with progress.busy("Building") as step:
        step.update("packages compiled", 3, 9)
        assert comes_true(
            lambda: "Building: 3 of 9 packages compiled, 0 s" in shown.getvalue()
        )
        step.update("modules downloaded", 5)
        assert comes_true(
            lambda: "Building: 5 modules downloaded, 0 s" in shown.getvalue()
        )


def test_a_step_that_fails_says_so(shown):
    with (
        pytest.raises(ValueError, match="reason"),
        ConsoleProgress(Console(file=shown)).busy("Building"),
    ):
        raise ValueError("reason")
    assert shown.getvalue().endswith("Building: failed after 0 s\n")


def test_on_a_terminal_the_step_moves_and_only_its_result_stays(shown):
    console = Console(file=shown, force_terminal=True, width=100)
    with ConsoleProgress(console).busy("Building") as step:
        step.update("packages [of] pulumi compiled", 3, 9)
    assert "3 of 9 packages [of] pulumi compiled" in shown.getvalue()
    assert shown.getvalue().endswith("Building: done after 0 s\n")
