from __future__ import annotations

import argon2
import pytest

from functions.auth import passwords
from functions.shared.errors import InvalidInput
from tests.functions.serving import STRONG_HASHER

STRONG = [
    "Quarto-Verde-77-Onibus",
    "correct horse battery staple",
    "ção é útil 42",
    "xk3-9qm-ttw-p0z",
]
WEAK = {
    "short": "has 5 characters",
    "elevenchars": "has 11 characters",
    "x" * 257: "has 257 characters",
    "938475610293": "only digits",
    "٣٤٥٦٧٨٩٠١٢٣٤": "only digits",
    "my-ana-maria-pw": "user name",
    "ANA-MARIA-99-xy": "user name",
    "aaaaaaaaaaaa": "repeats",
    "abcabcabcabc": "repeats",
    "xy12xy12xy12": "repeats",
    "Password1234": "common",
    "P@ssw0rd!!!!": "common",
    "senha1234567": "common",
    "Admin-Admin-2026": "repeats",
    "Admin-Senha-2026": "common",
    "qwertyuiop12": "common",
    "abcdefghijkl": "common",
    "1234567890abc": "common",
    "prefeitura2026!": "common",
    "Brasil-Flamengo-2026": "common",
    # What our own rules let through and zxcvbn knows: leaked words, dates, rows of another kind, the name's parts.
    "h7vQz7vQz7vQz": "easy to guess",
    "jennifer1987": "easy to guess",
    "michaeljordan": "easy to guess",
    "1qaz2wsx3edc": "easy to guess",
    "liverpool2024": "easy to guess",
    "fernanda170592": "easy to guess",
}


@pytest.mark.parametrize("password", STRONG)
def test_strong_passwords_pass(password: str) -> None:
    assert passwords.weakness(password, "ana-maria") is None


@pytest.mark.parametrize(("password", "reason"), WEAK.items())
async def test_weak_passwords_are_refused_with_the_reason_and_never_quoted(password: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        await passwords.require_strong(password, "ana-maria", "new_password")
    assert caught.value.details["field"] == "new_password"
    assert password not in caught.value.message


def test_random_passwords_are_strong_and_differ() -> None:
    made = {passwords.random_password() for _ in range(50)}
    assert len(made) == 50
    assert all(passwords.weakness(password, "admin") is None for password in made)


def test_the_hash_is_argon2id_of_at_least_the_low_memory_profile() -> None:
    # RFC 9106 section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    parameters = argon2.extract_parameters(STRONG_HASHER.hash("x"))
    assert parameters.type is argon2.Type.ID
    assert parameters.memory_cost >= 65_536
    assert parameters.time_cost >= 3


async def test_a_hash_matches_its_password_alone() -> None:
    stored = await passwords.hash_password("Quarto-Verde-77")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches("Quarto-Verde-77", stored)
    assert not await passwords.matches("Quarto-Verde-78", stored)
    assert not await passwords.matches("Quarto-Verde-77", None)
    assert not await passwords.matches("Quarto-Verde-77", "no hash")
