"""The HTTP API, version 1: what it takes and gives, and its routes."""
