"""How it runs: the system, its graph, compilation to LangGraph, steps, effects, freezes."""
