"""Who acts and what they say: messages, agents, effects (declared), people."""
