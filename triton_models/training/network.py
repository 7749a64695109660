"""The second plate reader: a small convolutional net with two layers of attention that reads eight places at once.

Input uint8 RGB [n, 64, 128, 3]; outputs probabilities `places` [n, 8, 37] (class 0: no character, then CHARACTERS of
synthesis) and `layout` [n, 6].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

PLACES, CLASSES, LAYOUTS = 8, 37, 6


def _convolution(inside: int, outside: int, stride: int | tuple[int, int] = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = _convolution(width, inner)
        self.second = nn.Sequential(nn.Conv2d(inner, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Attention(nn.Module):
    """Multi-head attention of queries [n, q, d] over tokens [n, t, d], in plain matrix products for the export."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.share = heads, width // heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        (_, q, d), t = queries.shape, tokens.shape[1]
        asked = self.query(queries).reshape(-1, q, self.heads, self.share).transpose(1, 2)
        both = self.key_value(tokens).reshape(-1, t, 2, self.heads, self.share)
        key, value = both[:, :, 0].permute(0, 2, 3, 1), both[:, :, 1].transpose(1, 2)
        weights = torch.softmax(asked @ key * self.share**-0.5, dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(-1, q, d))


class Block(nn.Module):
    """A transformer layer, normalised first; over its own tokens unless others are given."""

    def __init__(self, width: int, heads: int, times: int = 2) -> None:
        super().__init__()
        self.before, self.others, self.after = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, times * width), nn.GELU(), nn.Linear(times * width, width))

    def forward(self, x: Tensor, tokens: Tensor | None = None) -> Tensor:
        own = self.before(x)
        x = x + self.attention(own, own if tokens is None else self.others(tokens))
        return x + self.mlp(self.after(x))


def _grid(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines of the row and of the column, [1, rows * columns, width]: attention finds places by them from
    the first step on, which plain noise makes it learn late.
    """
    quarter = width // 4
    waves = torch.exp(torch.linspace(math.log(0.06), math.log(1.6), quarter)) * math.pi
    down, across = torch.arange(rows)[:, None] * waves, torch.arange(columns)[:, None] * waves
    by_row = torch.cat([down.sin(), down.cos()], 1)[:, None].expand(-1, columns, -1)
    by_column = torch.cat([across.sin(), across.cos()], 1)[None].expand(rows, -1, -1)
    return torch.cat([by_row, by_column], 2).reshape(1, rows * columns, width) * 0.8


class PlateReader(nn.Module):
    """Logits of the places [n, 8, 37] and of the layout [n, 6] for float pictures [n, 3, 64, 128] in -1..1."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            _convolution(3, 24, 2, 5),  # 32 x 64
            _convolution(24, 48, (2, 1)),  # 16 x 64
            _convolution(48, 64, (1, 2)),  # 16 x 32
            Residual(64, 64),
            Residual(64, 48),
            _convolution(64, 96, (2, 1)),  # 8 x 32
            Residual(96, 80),
            _convolution(96, width, (1, 2)),  # 8 x 16
        )
        self.where = nn.Parameter(_grid(8, 16, width))
        self.mix = Block(width, 4, times=1)
        self.queries = nn.Parameter(torch.randn(1, PLACES + 1, width) * 0.3)
        self.look = Block(width, 8)
        self.talk = Block(width, 4)
        self.norm = nn.LayerNorm(width)
        self.character, self.kind = nn.Linear(width, CLASSES), nn.Linear(width, LAYOUTS)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.backbone(pictures).flatten(2).transpose(1, 2) + self.where
        tokens = self.mix(tokens)
        asked = self.queries.expand(tokens.shape[0], -1, -1)
        found = self.norm(self.talk(self.look(asked, tokens)))
        return self.character(found[:, :PLACES]), self.kind(found[:, PLACES])


class Exported(nn.Module):
    """PlateReader from uint8 RGB [n, 64, 128, 3] to probabilities, softened by fitted temperatures."""

    def __init__(self, net: PlateReader, character_temperature: float, layout_temperature: float) -> None:
        super().__init__()
        self.net = net
        self.character_temperature, self.layout_temperature = character_temperature, layout_temperature

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        places, layout = self.net(images.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return torch.softmax(places / self.character_temperature, -1), torch.softmax(
            layout / self.layout_temperature, -1
        )


def weight_count(net: nn.Module) -> int:
    return sum(weights.numel() for weights in net.parameters())
