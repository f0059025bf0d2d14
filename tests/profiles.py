"""How many examples a property is tried with: a share of them in the quick run, all of them everywhere else.

`HYPOTHESIS_PROFILE` picks one: `quick` (`make test`), `gate` (`make test-all`, and wherever `CI` is set) or `here`.
The first two draw the same examples each time, because a gate has to give one answer twice; `here` draws others.
"""

import os

import hypothesis

PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("gate" if os.environ.get("CI") else "here")
USUAL, QUICK_SHARE, LEAST = 100, 4, 10


def examples(count: int) -> int:
    """That many examples, or a quarter of them in the quick run, but never fewer than ten that were many."""
    return max(min(count, LEAST), count // QUICK_SHARE) if PROFILE == "quick" else count


def load() -> None:
    """Register the profiles and load one of them. A deadline would only measure how busy the machine is."""
    always = {"deadline": None, "max_examples": examples(USUAL)}
    hypothesis.settings.register_profile("here", **always)
    hypothesis.settings.register_profile("quick", derandomize=True, print_blob=True, **always)
    hypothesis.settings.register_profile("gate", derandomize=True, print_blob=True, **always)
    hypothesis.settings.load_profile(PROFILE)
