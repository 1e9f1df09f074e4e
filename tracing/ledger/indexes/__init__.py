"""What the rows of the tables must say, by the records."""
