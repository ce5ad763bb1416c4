"""Tests of `motherlode.mining`."""
