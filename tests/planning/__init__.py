"""Tests of `motherlode.planning`."""
