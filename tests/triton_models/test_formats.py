"""The table of formats: one truth in two places, and what is asked of it."""

from __future__ import annotations

from types import ModuleType

import pytest
from pydantic import ValidationError

from functions.shared import formats as kernel
from functions.shared.inference import Ask


def test_the_reader_and_the_kernel_have_the_same_formats(formats: ModuleType) -> None:
    assert {name: form.pattern for name, form in formats.TABLE.items()} == kernel.PATTERNS
    assert list(formats.TABLE) == list(kernel.PATTERNS)
    assert formats.DEFAULT == kernel.DEFAULT == Ask().formats
    assert formats.ANY == kernel.ANY


def test_formats_keep_the_order_that_was_asked_for(formats: ModuleType) -> None:
    names = ("uy_mercosul", "any", "br_old", "uy_mercosul")
    assert [form.name for form in formats.chosen(names)] == ["uy_mercosul", "br_old"]
    assert formats.chosen(("any",)) == ()


def test_an_unknown_format_is_named(formats: ModuleType, frame: ModuleType) -> None:
    with pytest.raises(ValueError, match="'xx_new'"):
        formats.chosen(("br_old", "xx_new"))
    with pytest.raises(ValueError, match="'xx_new'"):
        frame.Options(formats=("xx_new",))
    with pytest.raises(ValidationError, match="'xx_new'"):
        Ask(formats=("xx_new",))
    with pytest.raises(ValidationError):
        Ask(formats=())


def test_a_pattern_of_other_signs_is_refused(formats: ModuleType) -> None:
    with pytest.raises(ValueError, match="LLX"):
        formats.load('{"new": {"pattern": "LLX", "country": "XX", "rows": [1], "band": false}}')
