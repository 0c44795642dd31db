"""Commands with more to them than a call: each adds itself to the command line, prints, and returns an exit code."""
