"""The bundled subject: a small language model of Python code, with its tokenizer and model card in `weights/`."""

from pathlib import Path

NAME = "pocket"
FOLDER = Path(__file__).parent / "weights"
