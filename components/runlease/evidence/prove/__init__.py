"""Prove: take each declared lease, try what it must be able to do and what it must not, and give it back."""
