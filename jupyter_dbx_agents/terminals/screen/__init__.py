"""A model of a terminal's screen, for replaying it to a client."""
