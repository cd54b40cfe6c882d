"""When PATs are replaced, promised and revoked: the traits of the rotation."""

from traitlets import Enum, Float, Integer
from traitlets.config import LoggingConfigurable


class RotationTiming(LoggingConfigurable):
    """The traits of PatRotator, to be set as ``c.PatRotator.…``."""

    rotation_interval_seconds = Float(
        600.0, min=0.1, config=True, help="Age in seconds at which the PAT is replaced."
    )
    lifetime_seconds = Integer(
        900, min=1, config=True, help="Lifetime in seconds of each PAT that is created."
    )
    promise_seconds = Float(
        120.0,
        min=0.0,
        config=True,
        help="For how long, in seconds, an SDK program may use a PAT before it asks again.",
    )
    expiry_margin_seconds = Float(
        30.0,
        min=0.0,
        config=True,
        help="How long before a PAT's natural end, in seconds, its last promise ends.",
    )
    in_flight_seconds = Float(
        60.0,
        min=0.0,
        config=True,
        help="How long after its last promise, in seconds, a replaced PAT is revoked.",
    )
    retry_first_seconds = Float(
        2.0, min=0.01, config=True, help="Delay in seconds before the first retry of a rotation."
    )
    retry_most_seconds = Float(
        30.0, min=0.01, config=True, help="Longest delay in seconds between two retries."
    )
    idle_policy = Enum(
        ["lapse", "keep_alive"],
        default_value="lapse",
        config=True,
        help="While no terminal or kernel is open: 'lapse' lets the PAT run out, and the next "
        "session asks for a new one; 'keep_alive' goes on rotating.",
    )
