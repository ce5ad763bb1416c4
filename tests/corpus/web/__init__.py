"""Tests of the readers of raw web crawls."""
