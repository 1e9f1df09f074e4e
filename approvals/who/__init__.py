"""Who acts, and how sure we are of it: tokens, sessions, providers, people's own signatures."""
