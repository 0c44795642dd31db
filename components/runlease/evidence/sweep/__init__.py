"""`runlease sweep`: what dead runs left behind, and its end. docs/sweep.md says what can be known, and what cannot."""
