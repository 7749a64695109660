from __future__ import annotations

from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.post_processing.matching import match

GAINS = st.integers(0, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), min_size=columns, max_size=columns), max_size=4
    )
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(GAINS)
def test_no_other_pairing_gains_more(gains: list[list[float]]) -> None:
    found = match(gains)
    columns = len(gains[0]) if gains else 0
    taken = [column for column in found if column is not None]
    assert len(found) == len(gains)
    assert len(set(taken)) == len(taken)
    assert all(gains[row][column] > 0 for row, column in enumerate(found) if column is not None)
    best = 0.0
    for choice in product([None, *range(columns)], repeat=len(gains)):
        chosen = [column for column in choice if column is not None]
        if len(set(chosen)) == len(chosen):
            best = max(best, sum(gains[row][column] for row, column in enumerate(choice) if column is not None))
    assert abs(sum(gains[row][column] for row, column in enumerate(found) if column is not None) - best) < 1e-9
