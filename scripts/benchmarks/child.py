"""A measured process that is loaded once and then answers a word on stdin with a line of JSON."""

import json
import subprocess
from pathlib import Path


class Child:
    """Started at once; `loaded` is its first line, said when it can run."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loaded = self._answer()

    def ask(self, word: str) -> dict:
        """Says `word` and returns the answer."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self._answer()

    def run_ms(self) -> float:
        """Milliseconds of one run."""
        return self.ask("run")["ms"]

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"`{' '.join(map(str, self.command))}` ended without an answer; its own message stands above")
        return json.loads(line)


def output_of(command: list, timeout: float = 1200) -> str:
    """What `command` prints. Its stderr goes through; fails when it does."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(map(str, command))}` ended with {done.returncode}; its own message stands above")
    return done.stdout


def training_folder() -> Path:
    """Where the grid's arithmetic lies: the same code prepares the network's input in training."""
    return Path(__file__).resolve().parents[1] / "training"
