"""Tests of form: what the linters we use cannot see."""
