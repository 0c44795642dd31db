"""The evidence of one environment and time as a folder: what was asked, what came of it, and what it can support."""
