"""What is seen: records projected to spans, their attributes, their bytes, and the tree in the terminal."""
