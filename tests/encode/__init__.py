"""Tests of `motherlode.encode`."""
