"""Markdown that holds what it quotes, and is never longer than GitHub takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.ci.markdown import block, code, cut, fold, table


@given(st.text(max_size=60))
def test_a_name_stays_one_cell_of_code(name: str) -> None:
    shown = code(name)
    assert "\n" not in shown
    assert "|" not in shown
    assert shown.count("`") in {0, 2}


@given(st.text("`ab \n", max_size=60))
def test_nothing_ends_a_block_but_its_end(text: str) -> None:
    shown = block(text).split("\n")
    fence = shown[-1]
    assert set(fence) == {"`"}
    assert shown[0] == f"{fence}text"
    assert all(fence not in line for line in shown[1:-1])


@given(
    st.lists(st.sampled_from(["ä" * 40, "x", "", "```text", "```", "| a | b |"])),
    st.integers(40, 400),
)
def test_a_text_is_whole_or_cut_to_the_byte(lines: list[str], limit: int) -> None:
    text = "\n".join(lines)
    short = cut(text, limit, "… cut")
    assert len(short.encode()) <= limit
    if len(text.encode()) <= limit:
        assert short == text
    else:
        assert short.endswith("… cut")


def test_what_is_open_where_it_is_cut_is_closed() -> None:
    long = "\n".join(f"line {number}" for number in range(100))
    text = fold("outer", fold("inner", block(long)))
    short = cut(text, 300, "… cut")
    assert short.count("<details>") == short.count("</details>") == 2
    assert short.count("```") == 2
    assert short.index("line 5") < short.rindex("```") < short.index("</details>")


def test_a_text_of_one_line_too_long_leaves_the_note() -> None:
    assert cut("x" * 200, 50, "… cut").strip() == "… cut"


@pytest.mark.parametrize("size", [65_536, 1_048_576])
def test_cutting_is_quick(size: int) -> None:
    text = fold("all", "\n".join("| a | b |" for _ in range(200_000)))
    assert len(cut(text, size, "… cut").encode()) <= size


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
