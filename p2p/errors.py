"""What goes wrong on the network that an operator can mend; quick to import."""


class ListenError(Exception):
    """The host does not listen where it should; says where, and what to do."""
