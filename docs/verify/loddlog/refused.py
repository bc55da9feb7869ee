"""What a verifier says of a file that does not hold what it should."""


class Refused(Exception):
    """Says what is wrong, and where: in which list, and in which of its entries.

    The index is -1 if no single entry is to blame, and the list is empty if
    no single list is.
    """

    def __init__(self, reason, list_name="", index=-1):
        super().__init__(reason)
        self.reason = reason
        self.list = list_name
        self.index = index


class Invalid(Exception):
    """Says what is wrong with something whose place only the caller knows."""


def demand(condition, reason):
    """Raises Invalid with the reason unless the condition holds."""
    if not condition:
        raise Invalid(reason)
