from __future__ import annotations

import pytest
import typer

from ops.sizes import percent, size


@pytest.mark.parametrize(("text", "value"), [("80%", 80), ("80", 80), ("0.5%", 0.5)])
def test_a_percentage_is_read_with_and_without_its_sign(text, value):
    assert percent(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1%", "101", "many", "80%%", "nan", "inf"])
def test_what_is_no_percentage_is_refused(text):
    with pytest.raises(typer.BadParameter):
        percent(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0 KiB"),
        (8192, "8 KiB"),
        (5 * 2**20 // 2, "2.5 MiB"),
        (3 * 2**30, "3.0 GiB"),
    ],
)
def test_a_size_is_told_in_words(count, text):
    assert size(count) == text
