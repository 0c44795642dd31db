"""What runlease costs, as ratios to what it stands beside; both sides are measured in one run."""


class BenchError(Exception):
    """A measurement that could not be made, or that would not compare like with like."""
