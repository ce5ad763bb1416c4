"""Tests; the tree mirrors `src/motherlode`."""
