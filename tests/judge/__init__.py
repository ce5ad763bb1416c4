"""Tests of judging what was mined."""
