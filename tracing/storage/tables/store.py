"""What all tables share, and the one that says what schema a store has."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

SCHEMA_VERSION = 3  # 1: the spine; 2: evidence; 3: several decide, and rules

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

# SQLite gives rowids to INTEGER PRIMARY KEY only, PostgreSQL wants 64 bits and an identity.
serial = BigInteger().with_variant(Integer(), "sqlite")
