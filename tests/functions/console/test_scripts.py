"""The page's scripts are read by an engine: a name that is imported twice keeps the whole console from starting."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from functions.console.assets import ROOT

SCRIPTS = sorted((ROOT / "js").rglob("*.js"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_name_is_imported_twice_and_each_file_and_name_is_there(script: Path) -> None:
    names: Counter[str] = Counter()
    for braced, where in re.findall(r"import \{([^}]*)\} from \"([^\"]+)\"", script.read_text()):
        target = (script.parent / where).resolve()
        assert target.is_file(), f"{script.name} imports {where}"
        for name in filter(None, (part.strip() for part in braced.split(","))):
            given, _, own = name.partition(" as ")
            names[own or given] += 1
            exported = (
                rf"export (?:async )?(?:function\*?|const|let|class) {re.escape(given)}\b|export \{{[^}}]*\b{given}\b"
            )
            assert re.search(exported, target.read_text()), f"{where} has no {given}"
    assert [name for name, count in names.items() if count > 1] == []
