"""From what a user declared to a checked graph: functions, edges, loops, nesting, the proof about effects."""
