"""Evaluation through lm-evaluation-harness, with chance, majority and an interval beside every score."""
