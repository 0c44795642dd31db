"""What goes wrong when access is read from a file or a server."""


class ReadError(ValueError):
    """Something cannot be read: `<where>: <what is wrong> (got …, expected …). Fix: …`. It never holds a secret."""


class UnreadError(ValueError):
    """One resource that cannot be understood. It becomes an Unread; its message names properties and no value."""
