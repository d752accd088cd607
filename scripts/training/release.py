"""Names of the files that ship, in one place."""

from pathlib import Path

NAME = "covid-ct"
VERSION = "1.1.0"
MODELS = Path(__file__).resolve().parents[2] / "models"


def shipped() -> Path:
    """The int8 network that the daemon runs."""
    return MODELS / f"{NAME}-{VERSION}.onnx"


def manifest() -> Path:
    """What the daemon reads beside it."""
    return shipped().with_suffix(".toml")


def fold(index: int) -> Path:
    """The int8 network that never saw the cases of a fold."""
    return MODELS / "folds" / f"{NAME}-{VERSION}-fold{index}.onnx"


def fold_float(index: int) -> Path:
    """The same before quantisation."""
    return MODELS / "folds" / f"{NAME}-{VERSION}-fold{index}-float.onnx"
