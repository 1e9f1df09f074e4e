"""What is kept: records, their places, the tree over them, and whether they are what was written."""
