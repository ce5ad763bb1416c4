"""A loaded model as lm-evaluation-harness asks it: log-likelihoods of continuations, and greedy generation.

The harness scores each choice of an item in a row of its own, and so reads the prompt once a choice. Here the choices
of one prompt stand in a single row, as branches of a tree: each sees the prompt and itself, and takes the positions
right after the prompt (SpecInfer's tree attention, arXiv 2305.09781). Logits are made only where they are read. The
numbers are the same; the first row with several branches is computed both ways to make sure that the model's attention
takes such a mask, and models with sliding windows or without attention are read one choice a row.

A prompt that does not fit the window loses its beginning, for all its choices alike, and is counted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from motherlode.errors import InputError, MissingExtraError, MotherlodeError
from motherlode.models.batches import out_of_memory, plan, token_budget
from motherlode.models.load import CausalModel

try:
    from lm_eval.models.huggingface import HFLM
    from lm_eval.models.utils import has_bos_prefix
except ImportError:
    raise MissingExtraError("evaluate", "evaluation") from None

_GENERATED_AT_ONCE = 16
Request = tuple[Any, list[int], list[int]]


@dataclass(frozen=True)
class _Row:
    """A prompt with some of its continuations.

    Attributes:
        prompt: Tokens, at least one.
        branches: Number of the request, and its tokens.
    """

    prompt: list[int]
    branches: list[tuple[int, list[int]]]

    @property
    def length(self) -> int:
        """Tokens that the model reads; nothing follows a branch's last one."""
        return len(self.prompt) + sum(len(tokens) - 1 for _, tokens in self.branches)

    @property
    def branched(self) -> bool:
        """Whether it needs a mask: a branch of one token is read off the prompt's end."""
        return sum(len(tokens) > 1 for _, tokens in self.branches) > 1

    def apart(self) -> list[_Row]:
        """Return the branches in rows that need no mask."""
        single = [branch for branch in self.branches if len(branch[1]) == 1]
        longer = [[branch] for branch in self.branches if len(branch[1]) > 1]
        return [_Row(self.prompt, branches) for branches in ([single, *longer] if single else longer)]


class HarnessModel(HFLM):  # type: ignore[misc]
    """What the harness calls a language model.

    Attributes:
        cut: Prompts that lost their beginning.
        budget: Most tokens of a batch; halved when memory runs out.
    """

    def __init__(
        self,
        loaded: CausalModel,
        model: Any = None,
        *,
        batch: int | None = None,
        max_length: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            loaded: The model and its tokenizer.
            model: The same model with an adapter on it, if there is one.
            batch: Most rows of a batch; by default as many as fit into the token budget.
            max_length: Most tokens of a row; by default the model's window.
            advance: Told how many requests have been answered.
        """
        super().__init__(
            pretrained=model if model is not None else loaded.model,
            tokenizer=loaded.tokenizer,
            batch_size=batch or _GENERATED_AT_ONCE,
            max_length=max_length or loaded.window,
        )
        self.rows, self.advance = batch, advance or (lambda _: None)
        self.budget = token_budget(None, loaded.device)
        self.cut: set[str] = set()
        parameters = inspect.signature(self.model.forward).parameters
        self._keeps = "logits_to_keep" in parameters
        self._tree: bool | None = None if "position_ids" in parameters and _full_attention(self.model.config) else False
        self._tolerance = 1e-2 if loaded.dtype == torch.float32 else 5e-2

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """Return log-likelihood and whether it is the greedy choice, of each continuation of a prompt."""
        pairs = [request.args for request in requests]
        empty = [number for number, (context, _) in enumerate(pairs) if not context.strip()]
        if empty:  # such prompts are rare; the harness has its own rule for them
            return super().loglikelihood(requests, disable_tqdm=True)  # type: ignore[no-any-return]
        stripped = [context.rstrip() for context, _ in pairs]
        contexts = dict(zip(dict.fromkeys(stripped), self._encode(list(dict.fromkeys(stripped))), strict=True))
        wholes = self._encode([context + continuation for context, continuation in pairs])
        encoded = []
        for pair, context, whole in zip(pairs, stripped, wholes, strict=True):
            start = len(contexts[context])
            encoded.append((pair, contexts[context], whole[start:]))
        return self._loglikelihood_tokens(encoded)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
        """Return a greedy answer to each prompt."""
        for request in requests:
            context, settings = request.args
            room = self.max_length - int(settings.get("max_gen_toks", self.max_gen_toks))
            if len(self.tok_encode(context)) > room:
                self.cut.add(context)
        step = max(1, self.batch_size) * 4
        order = sorted(range(len(requests)), key=lambda i: -len(requests[i].args[0]))
        found: dict[int, str] = {}
        for start in range(0, len(order), step):
            part = order[start : start + step]
            answers: list[str] = super().generate_until([requests[i] for i in part], disable_tqdm=True)
            found.update(zip(part, answers, strict=True))
            self.advance(len(part))
        return [found[i] for i in range(len(requests))]

    def _encode(self, texts: list[str]) -> list[list[int]]:
        """Tokenise texts as `tok_encode` does, many at a time."""
        beginning = self.tokenizer.decode(self.prefix_token_id)
        begun = [has_bos_prefix(text, beginning) for text in texts]
        made: list[list[int]] = [[] for _ in texts]
        for state in (False, True):
            places = [place for place, value in enumerate(begun) if value is state]
            if places:
                special = {"add_special_tokens": False} if state else {}
                ids = self.tokenizer([texts[place] for place in places], verbose=False, **special)["input_ids"]
                for place, tokens in zip(places, ids, strict=True):
                    made[place] = list(tokens)
        return made

    def _loglikelihood_tokens(
        self, requests: Sequence[Request], disable_tqdm: bool = True, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """Score tokens; see `loglikelihood`."""
        found: dict[int, tuple[float, bool]] = {}
        rows = self._make_rows(requests)
        if self._tree is None:
            self._tree = self._check_tree(rows)
        if self._tree is False:
            rows = [part for row in rows for part in row.apart()]
        left = rows
        while left:
            groups = plan([row.length for row in left], self.budget)
            try:
                for group in groups:
                    part = group[: self.rows] if self.rows else group
                    found.update(self._score([left[place] for place in part]))
                    self.advance(sum(len(left[place].branches) for place in part))
            except Exception as error:
                if not out_of_memory(error) or self.budget <= 1:
                    raise
                self.budget = max(1, min(self.budget, max(row.length for row in left)) // 2)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                if len(groups[0]) == 1 and self.budget < left[groups[0][0]].length // 4:
                    raise MotherlodeError(
                        f"memory does not suffice for one prompt of {left[groups[0][0]].length:,} tokens",
                        hint="use --dtype bf16, a smaller --max-length, or a smaller model",
                    ) from None
            left = [row for row in left if any(number not in found for number, _ in row.branches)]
        return [found[number] for number in range(len(requests))]

    def _make_rows(self, requests: Sequence[Request]) -> list[_Row]:
        """Put the continuations of one prompt together; what does not fit the budget begins another row."""
        together: dict[tuple[int, ...], list[int]] = {}
        for number, (_, context, _) in enumerate(requests):
            together.setdefault(tuple(context), []).append(number)
        rows = []
        for given, numbers in together.items():
            longest = max(len(requests[number][2]) for number in numbers)
            room = self.max_length + 1 - longest
            if room < 1:
                raise InputError(
                    f"an answer of {longest:,} tokens does not fit into {self.max_length:,}",
                    hint="use a model with a longer window, or shorter choices",
                )
            prompt = list(given[-room:])
            if len(prompt) < len(given):
                self.cut.update(requests[number][0][0] for number in numbers if requests[number][0])
            row = _Row(prompt, [])
            for number in numbers:
                tokens = requests[number][2]
                if row.branches and row.length + len(tokens) - 1 > max(self.budget, len(prompt) + longest):
                    rows.append(row)
                    row = _Row(prompt, [])
                row.branches.append((number, tokens))
            rows.append(row)
        return rows

    def _check_tree(self, rows: Sequence[_Row]) -> bool | None:
        """Compute one row with several branches both ways; None if there is no such row to compute."""
        several = [row for row in rows if row.branched]
        if not several:
            return None
        row = min(several, key=lambda row: row.length)
        try:
            tree = self._score([row])
        except (ValueError, RuntimeError, TypeError, IndexError):  # a model that does not take such a mask
            return False
        apart = self._score([_Row(row.prompt, [branch]) for branch in row.branches])
        return all(abs(tree[n][0] - apart[n][0]) <= self._tolerance * (1 + abs(apart[n][0])) for n in apart)

    def _score(self, rows: Sequence[_Row]) -> dict[int, tuple[float, bool]]:
        """Run the model on some rows."""
        width = max(row.length for row in rows)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        positions = torch.zeros((len(rows), width), dtype=torch.long)
        branched = any(row.branched for row in rows)
        allowed = torch.zeros((len(rows), width, width), dtype=torch.bool) if branched else None
        read: list[tuple[int, int, int, int]] = []  # row, where, the token to come, request
        for place, row in enumerate(rows):
            start = len(row.prompt)
            ids[place, :start] = torch.tensor(row.prompt)
            positions[place] = torch.arange(width)
            if allowed is not None:
                allowed[place].fill_diagonal_(True)  # padding sees itself: no row of the mask may be empty
                allowed[place, :, :start] = True
                allowed[place, :start, :start] = torch.ones((start, start), dtype=torch.bool).tril()
            at = start
            for number, tokens in row.branches:
                size = len(tokens) - 1
                ids[place, at : at + size] = torch.tensor(tokens[:-1], dtype=torch.long)
                positions[place, at : at + size] = torch.arange(start, start + size)
                if allowed is not None:
                    allowed[place, at : at + size, at : at + size] = torch.ones((size, size), dtype=torch.bool).tril()
                before = [start - 1, *range(at, at + size)]
                read += [(place, where, token, number) for where, token in zip(before, tokens, strict=True)]
                at += size
        logits, shift = self._logits(ids, positions, allowed, sorted({where for _, where, _, _ in read}))
        table = torch.tensor([(place, shift[where], token) for place, where, token, _ in read], device=logits.device)
        chosen = logits[table[:, 0], table[:, 1]].float()
        values = chosen.log_softmax(-1).gather(1, table[:, 2:])[:, 0].double().tolist()
        greedy = (chosen.argmax(-1) == table[:, 2]).tolist()
        found: dict[int, tuple[float, bool]] = {}
        for (_, _, _, number), value, same in zip(read, values, greedy, strict=True):
            total, all_same = found.get(number, (0.0, True))
            found[number] = (total + value, all_same and same)
        return found

    def _logits(
        self, ids: torch.Tensor, positions: torch.Tensor, allowed: torch.Tensor | None, wanted: list[int]
    ) -> tuple[torch.Tensor, dict[int, int]]:
        """Return logits `[rows, places, vocabulary]`, and which place each wanted position has."""
        model = self.model
        inputs: dict[str, Any] = {"input_ids": ids.to(self.device)}
        if allowed is not None:
            mask = torch.zeros(allowed.shape, dtype=model.dtype)
            mask = mask.masked_fill(~allowed, torch.finfo(model.dtype).min)
            inputs["attention_mask"] = mask[:, None].to(self.device)
            inputs["position_ids"] = positions.to(self.device)
        if self._keeps:
            inputs["logits_to_keep"] = torch.tensor(wanted, device=self.device)
        with torch.inference_mode():
            logits: torch.Tensor = model(**inputs, use_cache=False).logits
        return logits, {where: place if self._keeps else where for place, where in enumerate(wanted)}


def _full_attention(config: Any) -> bool:
    """Return whether every layer attends to all that comes before."""
    config = config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return set(kinds) == {"full_attention"}
    return not getattr(config, "sliding_window", None)
