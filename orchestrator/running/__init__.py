"""One run in one worker: its view and journal, steps, asking, sending, gathering, and what happens at rest."""
