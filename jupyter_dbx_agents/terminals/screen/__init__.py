"""What is on a terminal's screen, for replaying it to a client: drawn by xterm.js in node."""
