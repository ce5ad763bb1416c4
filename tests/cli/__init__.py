"""Tests of `motherlode.cli`."""
