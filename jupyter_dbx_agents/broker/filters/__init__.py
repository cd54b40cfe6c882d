"""What is changed in agents' requests so that the gateway accepts them."""
