"""Everything that was measured in one run."""

from dataclasses import dataclass

from network import NetworkFigures
from reading import ReadFigures
from whole import Size, WholeFigures


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on and with."""

    processor: str
    cores: int
    isa: str
    system: str
    scanward: str
    packages: dict[str, str]
    date: str
    quick: bool
    release: bool


@dataclass(frozen=True)
class Figures:
    """All parts."""

    network: NetworkFigures
    reading: ReadFigures
    whole: WholeFigures
    arrivals: str
    size: Size
    machine: Machine
