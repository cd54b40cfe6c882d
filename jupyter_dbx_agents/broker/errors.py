"""How a call to the gateway fails."""


class GatewayGoneError(Exception):
    """The gateway cannot be reached, or its answer broke off or is none.

    ``was_idle`` if the call went out on a connection that had lain idle, and nothing came back;
    ``was_sent`` unless it is certain that the gateway knows nothing of the call.
    """

    def __init__(self, reason: str, *, was_idle: bool = False, was_sent: bool = True) -> None:
        super().__init__(reason)
        self.was_idle, self.was_sent = was_idle, was_sent
