"""Causal language models: loading, LoRA, samples as tokens, batches (extra `select`)."""
