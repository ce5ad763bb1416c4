"""Tests of `motherlode.demo`."""
