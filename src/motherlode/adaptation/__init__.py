"""Training on what was found: LoRA fine-tuning on samples, continued pre-training on documents (extra `train`)."""
