"""Standing rules: approved policies that decide in a person's place, within caps and for a time."""
