"""Whole systems, each one a package that runs with one command."""
