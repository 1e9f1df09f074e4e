"""Answerable."""
