"""The API's document says the same of a line as the check that an answer speaks of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.shapes import LINE, LINE_OF_THREE, LINE_OR_NONE, one_line

BREAKS = [chr(code) for code in range(0x3000) if len(f"a{chr(code)}b".splitlines()) > 1]


def test_the_breaks_are_those_of_python() -> None:
    assert set(BREAKS) == set("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


@pytest.mark.parametrize("letter", [*BREAKS, "\x00", "\t", "\x7f"])
@pytest.mark.parametrize("text", ["a{}b", "{}a", "a{}"])
def test_no_text_of_several_lines(letter: str, text: str) -> None:
    broken = text.format(letter)
    with pytest.raises(ValueError, match="one line"):
        one_line(broken)
    for shape in (LINE, LINE_OF_THREE, LINE_OR_NONE):
        # `\\Z`: the `$` of JSON Schema is the end and nothing before it.
        assert re.search(str(shape["pattern"])[:-1] + r"\Z", broken) is None


@given(st.text())
def test_what_the_document_allows_is_taken(text: str) -> None:
    if re.search(str(LINE_OR_NONE["pattern"])[:-1] + r"\Z", text):
        assert one_line(text) == text.strip()
    else:
        with pytest.raises(ValueError, match="one line"):
            one_line(text)
