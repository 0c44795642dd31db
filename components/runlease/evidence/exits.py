"""How the commands that bring evidence end."""

OK, FOUND, PARTIAL, FOUND_AND_PARTIAL = 0, 3, 4, 5
"""Exit codes. 1 is Python's own, 2 is for wrong settings and files. Partial: something could not be read or tried."""


def exit_code(*, found: bool, partial: bool) -> int:
    """The code of an answer: whether it names something to mend, and whether it is the whole answer."""
    if partial:
        return FOUND_AND_PARTIAL if found else PARTIAL
    return FOUND if found else OK
