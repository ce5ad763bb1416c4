"""Tests of `motherlode.corpus`."""
