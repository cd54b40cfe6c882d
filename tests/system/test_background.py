"""Programs that outlive their terminal keep the token, and let it go when they end."""

import os
import signal
import sys
from pathlib import Path

from tests.support.constants import OWNER, PAT, STATUS
from tests.support.running_app import eventually, until_configured

SHORT_LIVES = (
    "--PatRotator.rotation_interval_seconds=2",
    "--PatRotator.lifetime_seconds=8",
    "--PatRotator.promise_seconds=1",
    "--PatRotator.expiry_margin_seconds=1",
    "--PatRotator.in_flight_seconds=1",
)
PROGRAM = """
import os
from databricks.sdk import WorkspaceClient

print(os.getpid(), flush=True)
client = WorkspaceClient()
while True:
    print(client.current_user.me().user_name, flush=True)
"""


def test_a_program_under_nohup_keeps_the_token_when_its_terminal_is_closed(
    start, workspace, tmp_path: Path
):
    server = start(*SHORT_LIVES)
    browser = server.until_open(OWNER)
    until_configured(browser)
    browser.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})
    (tmp_path / "loop.py").write_text(PROGRAM)
    output = tmp_path / "output"
    output.touch()  # the shell may not have made it when its next prompt comes
    with browser.terminal() as terminal:
        terminal.until_shell()
        program = f"{sys.executable} {tmp_path}/loop.py"
        terminal.run(f"(setsid nohup {program} </dev/null >{output} 2>&1 &)")
        eventually(lambda: OWNER in output.read_text())
    pid = int(output.read_text().split()[0])
    try:
        status = browser.json("GET", STATUS)
        assert status["sessions"] == {"terminals": 0, "kernels": 0}
        rotations = status["pat"]["rotations"]
        eventually(lambda: browser.json("GET", PAT)["rotations"] >= rotations + 8)
        Path(f"/proc/{pid}/stat").read_text()  # it still runs
        _, *lines, _ = output.read_text().split("\n")
        assert set(lines) == {OWNER}
    finally:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: browser.json("GET", PAT)["state"] == "expired")
    assert "No terminal, notebook or agent used it" in browser.json("GET", PAT)["message"]
    browser.http.close()
