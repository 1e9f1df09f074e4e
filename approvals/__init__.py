"""Who decided: requests, decisions, grants, exemptions."""
