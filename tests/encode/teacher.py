"""A part of the packaged MiniLM: one of its six layers, and the more frequent tokens. It is distilled in a second."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from motherlode.encode.sentence import minilm_folder

TOKENS = 6000  # of 30,522, in the order of their frequency
_WORDS = "embeddings.word_embeddings.weight"


def small_teacher(folder: Path) -> Path:
    """Write the model into a folder, and return it."""
    shutil.copytree(minilm_folder(), folder, dirs_exist_ok=True)
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"num_hidden_layers": 1, "vocab_size": TOKENS}
    (folder / "config.json").write_text(json.dumps(settings))
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if ".layer." not in name or ".layer.0." in name}
    kept[_WORDS] = kept[_WORDS][:TOKENS].copy()
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    tokeniser = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokeniser["model"]["vocab"]
    tokeniser["model"]["vocab"] = {token: number for token, number in vocabulary.items() if number < TOKENS}
    (folder / "tokenizer.json").write_text(json.dumps(tokeniser))
    lines = (folder / "vocab.txt").read_text("utf-8").splitlines(keepends=True)
    (folder / "vocab.txt").write_text("".join(lines[:TOKENS]), "utf-8")
    return folder
