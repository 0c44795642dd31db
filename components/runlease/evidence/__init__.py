"""What shows that a run had what it should, did what it did, and left nothing: verify, trace, sweep."""
