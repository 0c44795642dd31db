"""`runlease verify`: whether what is live is what was declared, and what else is there that should not be.

Read-only: PostgreSQL in READ ONLY transactions, Vault with GET and LIST.
"""
