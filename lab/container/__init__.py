"""The program that a container of the runner begins as; it imports the standard library alone, to start quickly."""
