"""What a chat is told about how a job ended."""

from __future__ import annotations

import pytest

from ops.ci.news import News, Status

IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'ab' * 32}"


def text(status: Status, **more: object) -> str:
    return News(what="deployment", stack="staging", status=status, **more).text  # type: ignore[arg-type]


def test_success_has_version_duration_and_link() -> None:
    said = text(
        Status.success, version=IMAGE, seconds=192.4, run="https://github.example/run"
    )
    assert said == (
        ":white_check_mark: Deployment of *staging* is done, version "
        "`stromhaltig@abababababab`, after 3 min 12 s, "
        "<https://github.example/run|the run>"
    )


def test_a_failure_without_details_is_told_all_the_same() -> None:
    assert text(Status.failure) == ":x: Deployment of *staging* failed"


def test_a_cancelled_job_says_how_to_find_out_how_far_it_came() -> None:
    assert "`stromhaltig status --stack staging`" in text(Status.cancelled)


@pytest.mark.parametrize("status", Status)
def test_every_way_to_end_has_words(status: Status) -> None:
    assert "*staging*" in text(status)
