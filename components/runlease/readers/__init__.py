"""Other ways to an `Access` than a declaration: what a plan leads to, and what the servers have now."""
