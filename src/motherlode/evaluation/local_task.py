"""A file of items as a task of lm-evaluation-harness, without YAML.

The harness builds the requests, sends them to the model and collects the metrics. What is ours is the prompt, and the
examples of a few-shot prompt: drawn for each item by the random seed and the item's id alone, so that they depend
neither on other items nor on how many are evaluated; never the item itself, nor one with the same question and context.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from motherlode.errors import InputError, MissingExtraError
from motherlode.evaluation.answers import f1_of_choices, f1_of_words, same_answer
from motherlode.evaluation.items import TaskItem, split_answers
from motherlode.evaluation.probability import probability_of_right
from motherlode.evaluation.prompt import SHOT_END, Style, to_answer, to_choices, to_completion, to_messages, to_prompt

try:
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import Task, TaskConfig
except ImportError:
    raise MissingExtraError("evaluate", "evaluation") from None


def check_pool(items: Sequence[TaskItem], pool: Sequence[TaskItem], shots: int, where: str) -> None:
    """Check that every item can have its examples.

    Args:
        items: What is asked.
        pool: Items that examples are drawn from.
        shots: Examples in each prompt.
        where: The file, for the error line.

    Raises:
        InputError: There are not enough.
    """
    same = Counter((other.question, other.context) for other in pool)
    fewest = len(pool) - max(same[item.question, item.context] for item in items)
    if fewest < shots:
        raise InputError(
            f"{shots} examples are wanted, and there are {fewest} other items",
            where=where,
            hint="use fewer --shots, or name a file of examples: --tasks FILE:train=FILE2",
        )


class LocalTask(Task):  # type: ignore[misc]
    """Items of one kind: `choice`, `several` or `free`."""

    VERSION = 1

    def __init__(
        self,
        name: str,
        items: Sequence[TaskItem],
        *,
        pool: Sequence[TaskItem] = (),
        shots: int = 0,
        style: Style = "cloze",
        max_new_tokens: int = 64,
        random_seed: int = 0,
    ) -> None:
        """Describe the task.

        Args:
            name: How the harness calls it.
            items: What is asked; all of one kind.
            pool: Items that examples are drawn from.
            shots: Examples in each prompt.
            style: How choices are shown.
            max_new_tokens: Most tokens of a written answer.
            random_seed: Seed of the examples.
        """
        self.items, self.pool, self.shots, self.style = list(items), list(pool), shots, style
        self.max_new_tokens, self.random_seed = max_new_tokens, random_seed
        self.OUTPUT_TYPE = "multiple_choice" if items[0].kind == "choice" else "generate_until"
        super().__init__()
        self._config = TaskConfig(task=name, output_type=self.OUTPUT_TYPE, num_fewshot=shots)

    def download(self, *_: Any, **__: Any) -> None:
        """Do nothing: the items are here."""

    def has_training_docs(self) -> bool:
        """Return False: examples are drawn by `examples`."""
        return False

    def has_validation_docs(self) -> bool:
        """Return False."""
        return False

    def has_test_docs(self) -> bool:
        """Return True."""
        return True

    def test_docs(self) -> list[dict[str, Any]]:
        """Return the items as the harness logs them."""
        return [{"place": place, "id": item.id} for place, item in enumerate(self.items)]

    def doc_to_text(self, doc: dict[str, Any]) -> str:
        """Return the prompt without examples."""
        return to_prompt(self.items[doc["place"]], self.style)

    def doc_to_target(self, doc: dict[str, Any]) -> str:
        """Return the completion that is right."""
        return to_completion(self.items[doc["place"]], self.style)

    def examples(self, item: TaskItem) -> list[TaskItem]:
        """Draw the examples for an item's prompt; `check_pool` says whether there are enough."""
        if not self.shots:
            return []
        asked = (item.question, item.context)
        others = [other for other in self.pool if (other.question, other.context) != asked]
        return random.Random(f"{self.random_seed}:{item.id}").sample(others, self.shots)  # noqa: S311 - no secret

    def fewshot_context(
        self,
        doc: dict[str, Any],
        num_fewshot: int = 0,
        apply_chat_template: bool = False,
        chat_template: Callable[..., str] | None = None,
        **_: Any,
    ) -> str:
        """Return the whole prompt: examples, then the item."""
        item = self.items[doc["place"]]
        shown = [(to_prompt(other, self.style), to_completion(other, self.style)) for other in self.examples(item)]
        if apply_chat_template and chat_template is not None:
            turns = [turn for pair in shown for side in to_messages(*pair) for turn in side]
            return chat_template([*turns, *to_messages(self.doc_to_text(doc), "")[0]])
        before = "".join(f"{prompt}{completion}{SHOT_END}" for prompt, completion in shown)
        return before + self.doc_to_text(doc)

    def build_all_requests(self, *, limit: int | None = None, apply_chat_template: bool = False, **given: Any) -> None:
        """Build the requests, as the harness does, without its progress bar."""
        self._instances = []
        for number, doc in self.doc_iterator(limit=limit, rank=0, world_size=1):
            prompt = self.fewshot_context(
                doc,
                num_fewshot=self.shots,
                apply_chat_template=apply_chat_template,
                chat_template=given.get("chat_template"),
            )
            named = {"metadata": (self.config.task, number, 1), "apply_chat_template": apply_chat_template}
            self._instances += self.construct_requests(doc, prompt, **named)

    def construct_requests(self, doc: dict[str, Any], ctx: str, **given: Any) -> list[Any]:
        """Return a request for each choice, or one for a written answer."""
        item = self.items[doc["place"]]
        metadata = given["metadata"]
        if item.kind == "choice":
            space = "" if given.get("apply_chat_template") else " "
            arguments = [(ctx, f"{space}{choice}") for choice in to_choices(item, self.style)]
            return [
                Instance(request_type="loglikelihood", doc=doc, arguments=pair, idx=place, metadata=metadata)
                for place, pair in enumerate(arguments)
            ]
        settings = {"until": ["\n"], "max_gen_toks": self.max_new_tokens, "do_sample": False}
        return [Instance(request_type="generate_until", doc=doc, arguments=(ctx, settings), idx=0, metadata=metadata)]

    def process_results(self, doc: dict[str, Any], results: Sequence[Any]) -> dict[str, float]:
        """Return an item's outcomes; `predicted` are places of choices, `probability` that of the right one.

        `_norm`: by log-likelihood a character.
        """
        item = self.items[doc["place"]]
        if item.kind == "choice":
            likelihoods = np.array([value for value, _ in results])
            lengths = np.array([len(choice) for choice in to_choices(item, self.style)], dtype=float)
            first, by_length = int(np.argmax(likelihoods)), int(np.argmax(likelihoods / lengths))
            return {
                "acc": float(first == item.gold),
                "acc_norm": float(by_length == item.gold),
                "predicted": float(first),
                "predicted_norm": float(by_length),
                "probability": probability_of_right(likelihoods, [item.gold]),
                "probability_norm": probability_of_right(likelihoods, [item.gold], lengths),
            }
        written = " ".join(str(results[0]).split())
        if item.kind == "several":
            names = to_choices(item, self.style)
            found = split_answers(written, tuple(names))
            wanted = split_answers(to_answer(item, self.style), tuple(names))
            return {"exact_match": float(set(found) == set(wanted)), "f1": f1_of_choices(found, wanted)}
        return {"exact_match": float(same_answer(written, item.answer)), "f1": f1_of_words(written, item.answer)}

    def aggregation(self) -> dict[str, Any]:
        """Return means."""
        names = (
            "acc",
            "acc_norm",
            "predicted",
            "predicted_norm",
            "probability",
            "probability_norm",
            "exact_match",
            "f1",
        )
        return dict.fromkeys(names, lambda values: float(np.mean(values)))

    def higher_is_better(self) -> dict[str, bool]:
        """Return True for all metrics."""
        return dict.fromkeys(("acc", "acc_norm", "probability", "probability_norm", "exact_match", "f1"), True)
