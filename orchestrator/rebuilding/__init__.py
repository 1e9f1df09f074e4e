"""Rebuilding: the rows that records tell of, made anew from them after damage."""
