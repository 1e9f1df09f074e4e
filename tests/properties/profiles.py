"""How many examples a property is tried on.

In every ordinary test run they are few and always the same, so that a failure is of the change that was made. With
`pytest tests/properties --hypothesis-profile=long` they are many, and others each time.
"""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck

LONG = "long"
LONGER = 25

hypothesis.settings.register_profile(LONG, deadline=None, print_blob=True)


def examples(number: int) -> hypothesis.settings:
    """Settings for so many examples, or for `LONGER` times as many."""
    long = hypothesis.settings.get_current_profile_name() == LONG
    unhurried = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    if long:
        return hypothesis.settings(max_examples=number * LONGER, suppress_health_check=unhurried)
    return hypothesis.settings(max_examples=number, derandomize=True, database=None, suppress_health_check=unhurried)
