"""How facts are put into words."""
