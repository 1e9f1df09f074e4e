"""The answer to "why?": found, and given as text, JSON and a page with a drawing."""
