"""Tests of `motherlode.shards`."""
