"""What people, time and exemptions answer, and what becomes of it."""
