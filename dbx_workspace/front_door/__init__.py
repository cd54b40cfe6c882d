"""The proxy in front of an app: ``door`` relays requests by the headers and limits of ``rules``."""
