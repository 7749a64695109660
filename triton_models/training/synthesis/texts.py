"""What stands on plates: the formats with their shares, and texts drawn from them."""

from __future__ import annotations

import numpy as np

from .glyphs import CHARACTERS, DIGITS, LETTERS

PATTERNS = {
    "br_old": "LLLNNNN",
    "br_mercosul": "LLLNLNN",
    "ar_mercosul": "LLNNNLL",
    "ar_old": "LLLNNN",
    "ar_moto_mercosul": "LNNNLLL",
    "uy_mercosul": "LLLNNNN",
    "py_mercosul": "LLLLNNN",
    "py_moto_mercosul": "NNNLLLL",
    "py_old": "LLLNNN",
}
"""L a letter, N a digit."""
CITIES = (
    "SP-SAO PAULO", "RJ-RIO DE JANEIRO", "PR-CURITIBA", "MG-BELO HORIZONTE", "BA-SALVADOR", "PE-RECIFE", "SC-JOINVILLE",
    "RS-PORTO ALEGRE", "GO-GOIANIA", "DF-BRASILIA", "CE-FORTALEZA", "AM-MANAUS", "PA-BELEM", "ES-VITORIA", "MT-CUIABA",
    "RN-NATAL", "PB-JOAO PESSOA", "MA-SAO LUIS", "SP-CAMPINAS", "SP-SANTOS", "MG-UBERLANDIA", "PI-TERESINA",
)  # fmt: skip
LOOKALIKES = {"L": ("OD", "OQ", "DOQ", "HM", "MW", "NW", "VW", "CG", "IT", "TY", "JU"),
              "N": ("68", "38", "56", "89", "08", "17")}  # fmt: skip
"""Letters and digits that a reader trained on even shares still mistook for each other, the commonest first."""
WORDS = ("TAXI", "FORD", "FIAT", "AUTO", "HONDA", "TURBO", "VENDO", "BRASIL", "MOTOS", "FLEX", "POSTO", "PARE", "SUL")


def of_pattern(rng: np.random.Generator, pattern: str) -> str:
    """A random text of a pattern of L and N."""
    return "".join(str(rng.choice(list(LETTERS if place == "L" else DIGITS))) for place in pattern)


def free(rng: np.random.Generator, least: int = 5, most: int = 8) -> str:
    """A random text of no pattern."""
    count = int(rng.integers(least, most + 1))
    return "".join(CHARACTERS[index] for index in rng.integers(0, len(CHARACTERS), count))


def lookalike(rng: np.random.Generator, text: str, share: float) -> str:
    """The text with about a `share` of its characters out of LOOKALIKES, letters for letters and digits for digits."""
    out = []
    for character in text:
        groups = LOOKALIKES["N" if character.isdigit() else "L"]
        if rng.random() < share:
            character = str(rng.choice(list(groups[int(rng.integers(len(groups)))])))
        out.append(character)
    return "".join(out)
