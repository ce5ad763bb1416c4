"""One model being evaluated: loaded when the first score is missing, asked through the harness, scores kept on disk."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from motherlode.errors import InputError
from motherlode.evaluation.options import NOT_IN_SCORES, EvaluateOptions
from motherlode.evaluation.result import TaskScore, TextScore, keep, score_from, stored
from motherlode.progress import Progress
from motherlode.shards import store
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import here

VERSION = 2  # of what is computed here; part of every fingerprint
_LIBRARIES = ("lm_eval", "torch", "transformers", "peft")


class Run:
    """One model being evaluated; it is loaded when the first score is missing."""

    def __init__(
        self, model: str, adapter: Path | str | None, settings: EvaluateOptions, out: Path | None, quiet: bool
    ) -> None:
        from motherlode.models.load import check_checkpoint, checkpoint_digest

        self.name, self.adapter, self.settings, self.quiet = model, adapter, settings, quiet
        self.folder = None if out is None else out / "scores"
        if out is not None and out.is_dir():
            store.sweep(out)  # what a killed run left half written
        self.fingerprints: dict[str, str] = {}
        self._loaded: Any = None
        place = here(model)
        if place.is_dir():
            check_checkpoint(place)
            weights = checkpoint_digest(place)
        else:
            weights = self._load().digest
        given = None
        if adapter is not None:
            from motherlode.models.adapter import adapter_digest

            given = adapter_digest(here(adapter))
        options = settings.model_dump(exclude=NOT_IN_SCORES)
        self._depends = [VERSION, weights, given, options, versions().get("lm_eval")]

    def _load(self) -> Any:
        from motherlode.models.load import load_model

        if self._loaded is not None:
            return self._loaded
        options = self.settings
        self._loaded = load_model(
            self.name,
            dtype=options.dtype,
            device=options.device,
            attention=options.attention,
            trust_remote_code=options.trust_remote_code,
        )
        self._network = self._loaded.model
        if self.adapter is not None:
            from motherlode.models.adapter import put_on

            self._network = put_on(self._loaded, here(self.adapter))
        window = self._loaded.window
        if options.max_length and window and options.max_length > window:
            what = f"the model's window is {window:,} tokens"
            raise InputError(what, where=f"--max-length {options.max_length}", hint="use no more")
        if options.template == "chat" and not getattr(self._loaded.tokenizer, "chat_template", None):
            raise InputError("the tokenizer has no chat template", where="--template chat", hint="use plain")
        return self._loaded

    @property
    def length(self) -> int | None:
        """Most tokens of a prompt with its answer."""
        return self.settings.max_length or self._loaded.window

    @property
    def new_tokens(self) -> int:
        """Most tokens of a written answer; leaves half of the window to the prompt."""
        self._load()
        return min(self.settings.max_new_tokens, (self.length or 2048) // 2)

    def task(self, name: str, digests: Sequence[str | None], make: Any) -> TaskScore:
        """Return a task's score: the stored one if it depends on the same things, otherwise a new one."""
        mark = fingerprint("task", name, list(digests), self._depends)
        self.fingerprints[f"task:{name}"] = mark
        path = self._path("task", name)
        if path is not None and (values := stored(path, mark)) is not None:
            return score_from(TaskScore, values)
        score: TaskScore = make()
        if path is not None:
            keep(path, mark, score)
        return score

    def text(self, name: str, documents: Sequence[str], digest: str) -> TextScore:
        """Return the loss on documents, stored or new."""
        mark = fingerprint("text", name, digest, self._depends)
        self.fingerprints[f"text:{name}"] = mark
        path = self._path("text", name)
        if path is not None and (values := stored(path, mark)) is not None:
            return score_from(TextScore, values)
        from motherlode.evaluation.perplexity import score_texts

        self._load()
        options = self.settings
        with Progress(f"perplexity of {name}", len(documents), "documents", self.quiet) as progress:
            score = score_texts(
                name,
                documents,
                self._loaded,
                self._network,
                max_length=self.length,
                confidence=options.confidence,
                random_seed=options.random_seed,
                advance=progress.advance,
            )
        if path is not None:
            keep(path, mark, score)
        return score

    def _path(self, kind: str, name: str) -> Path | None:
        if self.folder is None:
            return None
        clean = re.sub(r"[^\w.-]+", "_", name)[:80]
        return self.folder / f"{kind}-{clean}-{fingerprint(name)[:8]}.json"

    def ask(
        self, tasks: Mapping[str, Any], name: str, requests: int, limit: int | None = None
    ) -> tuple[dict[str, Any], int]:
        """Let the harness run tasks.

        `simple_evaluate` would do no more than this, and takes seconds each time to index its tasks and to describe the
        machine.

        Returns:
            What it logged of each item, by task, and how many prompts lost their beginning.
        """
        from lm_eval.evaluator import evaluate as run_harness

        from motherlode.evaluation.language_model import HarnessModel

        self._load()
        options = self.settings
        chat = options.template == "chat"
        with Progress(f"task {name}", requests, "requests", self.quiet) as progress:
            asked = HarnessModel(
                self._loaded,
                self._network,
                batch=options.batch,
                max_length=self.length,
                advance=progress.advance,
            )
            found = run_harness(
                lm=asked,
                task_dict={"tasks": dict(tasks), "groups": {}},
                limit=limit,
                bootstrap_iters=0,
                log_samples=True,
                apply_chat_template=chat,
                fewshot_as_multiturn=chat,
            )
        return dict(found["samples"]), len(asked.cut)


def versions() -> dict[str, str]:
    """Return the versions of what makes scores, `none` for what is not installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


@contextlib.contextmanager
def quiet_harness() -> Iterator[None]:
    """Keep the harness from warning about defaults that are meant."""
    logger = logging.getLogger("lm_eval")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
