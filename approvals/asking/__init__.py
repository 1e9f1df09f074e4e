"""What people are asked: requests, bound to what is shown, in which order, and how many."""
