"""Real servers on this machine, for the demo and the live tests: loopback only, nothing is left behind."""


class LabError(Exception):
    """A server of the lab cannot be found, started or talked to; the message says what to do."""
