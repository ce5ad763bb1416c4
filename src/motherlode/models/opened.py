"""A model opened for a run: loaded, with what samples are tokenised and batched by, and its adapter."""

from __future__ import annotations

from collections.abc import Iterable

from motherlode.models.batches import Batcher, Layout, token_budget
from motherlode.models.load import load_model
from motherlode.models.lora import AdaptedModel, LoraOptions
from motherlode.models.options import ModelOptions
from motherlode.models.rows import Samples
from motherlode.models.token_cache import TokenCache
from motherlode.models.tokens import Tokeniser, Tokens
from motherlode.shards.local_copy import here


class OpenedModel:
    """A model, and how samples reach it.

    Attributes:
        loaded: The model.
        max_length: Most tokens of a sample: what is set, or the model's window if that is less.
        tokeniser: Samples to tokens.
        batcher: Tokens to batches.
    """

    def __init__(self, options: ModelOptions, layout: Layout = "right") -> None:
        """Load the model.

        Raises:
            InputError: It cannot be used.
        """
        assert options.model is not None
        self.options = options
        self.loaded = load_model(
            options.model,
            dtype=options.dtype,
            device=options.device,
            attention=options.attention,
            trust_remote_code=options.trust_remote_code,
        )
        self.max_length = min(options.max_length, self.loaded.window or options.max_length)
        self.tokeniser = Tokeniser(
            self.loaded.tokenizer, template=options.template, max_length=self.max_length, truncate=options.truncate
        )
        self._caches: dict[int, TokenCache] = {}  # by the samples, which they hold
        budget = token_budget(options.token_budget, self.loaded.device)
        self.batcher = Batcher(budget, layout, self.loaded.device)

    def adapt(self) -> AdaptedModel:
        """Put on the adapter that is given, or a fresh one (`A` random, `B` zero).

        Raises:
            InputError: It cannot be put on.
        """
        if self.options.adapter is not None:
            return AdaptedModel.load(self.loaded, here(self.options.adapter))
        options = self.options
        lora = LoraOptions(rank=options.lora_rank, alpha=options.lora_alpha, targets=options.lora_targets)
        return AdaptedModel.attach(self.loaded, lora, options.random_seed)

    def tokens(self, samples: Samples, rows: Iterable[int]) -> list[Tokens]:
        """Tokenise rows of a file, each once.

        Raises:
            InputError: A row is no sample; the line names it.
        """
        if id(samples) not in self._caches:
            self._caches[id(samples)] = TokenCache(samples, self.tokeniser)
        return self._caches[id(samples)](rows)
