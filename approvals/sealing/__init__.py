"""The store's key, and the MACs by which a row or a record made by hand is known."""
