"""Passwords: argon2id hashes, made and checked in threads, and the rules for new ones."""

from __future__ import annotations

import asyncio
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from functions.shared.errors import InvalidInput

MIN_LENGTH, MAX_LENGTH = 12, 256
# What stands in the place of a hash where an account has no password; no password matches it.
NONE = "!"
# zxcvbn's scale is 0 to 4; 3 is "safely unguessable": over 10^8 guesses. It looks at the first 72 characters.
MIN_SCORE, _SCORED = 3, 72
# argon2-cffi's defaults are the low-memory profile of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes. Two at a time
# bound what a burst of logins takes from the process.
_HASHER = PasswordHasher()
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="argon2")
# Words that begin the published lists of common passwords, English and Portuguese, without digits and signs.
_WORDS = """
    password passwd passphrase senha minhasenha segredo secret admin administrator administrador
    root master operator operador viewer usuario user guest visitante welcome bemvindo letmein login
    qwerty qwertyuiop asdfghjkl zxcvbnm abc abcdef iloveyou teamo princesa princess dragon monkey
    football futebol brasil brazil flamengo corinthians palmeiras vasco santos gremio sunshine
    superman batman changeme mudar trocar default teste test demo camera cameras gtvision vision
    prefeitura cidade city police policia guarda hunter trustno correcthorse
"""
_COMMON = frozenset(_WORDS.split())
# What zxcvbn, whose lists are English, is told to count as common too: Brazilian names, places and favourite words.
_NAMES = """
    maria jose joao ana antonio francisco carlos paulo pedro lucas luiz luis marcos gabriel rafael daniel
    marcelo bruno eduardo felipe rodrigo fernando gustavo leonardo ricardo juliana fernanda amanda patricia
    aline sandra camila leticia jessica vanessa mariana beatriz larissa vitoria julia isabela silva santos
    oliveira souza rodrigues ferreira alves pereira lima gomes costa ribeiro martins carvalho almeida lopes
    soares fernandes vieira barbosa amor amizade familia felicidade saudade deus jesus cristo fe paz vida mae
    pai filho filha meuamor minhavida gatinha gostosa saopaulo riodejaneiro rio bahia salvador fortaleza recife
    curitiba manaus belem goiania brasilia campinas florianopolis portoalegre minasgerais parana pernambuco
    ceara carro moto onibus caminhao placa transito radar guardamunicipal policiamilitar pmsp detran semob
    muralha cidade municipal prefeito secretaria seguranca
"""
_PORTUGUESE = tuple(_NAMES.split())
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LEET = str.maketrans("@4301$57!", "aaeoissti")


async def hash_password(password: str) -> str:
    """An argon2id hash in its own format (PHC string)."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password is the one of `stored`. Without one (None, NONE) it takes as long, and the answer is no."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _matches, password, stored)


def _matches(password: str, stored: str | None) -> bool:
    real = stored is not None and stored != NONE
    try:
        return _HASHER.verify(stored if real and stored else _dummy(), password) and real
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(1)
def _dummy() -> str:
    return _HASHER.hash(secrets.token_urlsafe(24))


async def warm_up() -> None:
    """Make the hash that unknown users are checked against, so that the first of them takes no longer."""
    await asyncio.get_running_loop().run_in_executor(_THREADS, _dummy)


def random_password() -> str:
    """20 letters and digits in groups (103 bits), easy to copy from a terminal; l, I, O, 0 and 1 are left out."""
    letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    while True:
        groups = ["".join(secrets.choice(letters) for _ in range(5)) for _ in range(4)]
        if weakness("-".join(groups), "admin") is None:
            return "-".join(groups)


async def require_strong(password: str, username: str, field: str = "password") -> None:
    """Raises InvalidInput that says what is weak."""
    reason = await weakness_of(password, username)
    if reason is not None:
        raise InvalidInput(f"the password {reason}", field=field)


async def weakness_of(password: str, username: str) -> str | None:
    """`weakness` in a thread: the first use loads word lists for a quarter of a second."""
    return await asyncio.to_thread(weakness, password, username)


def weakness(password: str, username: str) -> str | None:
    """What is wrong with a new password, as the end of "the password ...", or None.

    >>> weakness("123456789012", "ana")
    'has only digits'
    """
    lowered = password.lower()
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return f"has {len(password)} characters; it takes {MIN_LENGTH} to {MAX_LENGTH}"
    if password.isdigit():
        return "has only digits"
    if len(username) >= 3 and username.lower() in lowered:
        return "contains the user name"
    if len(set(lowered)) < 5 or re.fullmatch(r"(.{1,6}?)\1+.{0,5}", lowered):
        return "repeats the same few characters"
    if _is_common(lowered):
        return "is a common one: a well-known word or keyboard row with digits or signs"
    return _guessable(password, username)


def _guessable(password: str, username: str) -> str | None:
    """What zxcvbn says, which knows names, dates, keyboards and the lists of leaked passwords."""
    from zxcvbn import zxcvbn

    told = zxcvbn(password[:_SCORED], user_inputs=[username, *re.split(r"[._-]", username), *_COMMON, *_PORTUGUESE])
    if told["score"] >= MIN_SCORE:
        return None
    why = str(told["feedback"]["warning"]).rstrip(".")
    why = f" ({why[0].lower()}{why[1:]})" if why else ""
    return f"is easy to guess{why}; take several words that do not belong together"


def _is_common(lowered: str) -> bool:
    """A common word, or several, with nothing of note besides; also after undoing p@ssw0rd spellings."""
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lowered)
    for spelling in (lowered, lowered.translate(_LEET), bare.translate(_LEET)):
        rest = re.sub(r"[^a-zà-ÿ0-9]", "", spelling)
        for run in _RUNS:
            rest = _cut_runs(rest, run)
        for word in sorted(_COMMON, key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(re.sub(r"[0-9]", "", rest)) < 4:
            return True
    return False


def _cut_runs(text: str, run: str) -> str:
    """`text` without pieces of 4 or more that stand in `run`, forwards or backwards."""
    for row in (run, run[::-1]):
        for size in range(len(row), 3, -1):
            for start in range(len(row) - size + 1):
                text = text.replace(row[start : start + size], "")
    return text
