"""The proxy before each app: its sign-in, its headers and its limits."""
