"""Random histories of the credential, against a workspace in which everything goes wrong.

Whatever happens: no PAT of ours lives that is not known, none of the user's is revoked but one that
was adopted, no promise is broken, and no failure is answered without a pause.
"""

import asyncio
import contextlib
import logging
import os
import random
from datetime import datetime, timedelta

import pytest

from jupyter_dbx_agents.errors import DbxAgentsError
from jupyter_dbx_agents.pat import PatRotator, SignIn
from jupyter_dbx_agents.pat.mint import COMMENT_PREFIX, Abandoned
from jupyter_dbx_agents.pat.revocation import ReplacedPat
from jupyter_dbx_agents.pat.rotation.held import LOST_AGAIN
from jupyter_dbx_agents.secret import Secret
from tests.pat.simulation import SimulatedClock, SimulatedWorkspace, WarpLoop
from tests.support.constants import OWNER

HISTORIES = 1000
STEPS = 20
PARTS = 10  # of the histories, so that workers share them
SHORTEST_PAUSE_SECONDS = 0.5

# One of its own: the one that they would have is that of all tests.
SILENT = logging.getLogger("random histories")
SILENT.setLevel(logging.CRITICAL + 1)


class History:
    """One credential's life; each step is drawn by chance."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.clock = SimulatedClock()
        self.workspace = SimulatedWorkspace(self.chance, self.clock, OWNER)
        self.workspace.is_honest = self.chance.random() < 0.5
        # Lists that lack any entry can only be borne where ids are computed.
        if self.workspace.is_honest and self.chance.random() < 0.5:
            self.workspace.tokens.id_scheme = "random"
        self.workspace.on_create = self.check_pause
        self.in_use = True
        self.by_hand = self.log_outs = 0
        self.revoked_outside: set[Secret] = set()
        self.answers: list[str] = []
        self.last_attempt_at: float | None = None
        self.has_counted = False
        self.lost_at: float | None = None
        self.pauses: list[float] = []
        self.adopted: list[Secret] = []
        self.promises: list[tuple[Secret, datetime]] = []
        self.running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self.pats = PatRotator(
            self.workspace.api(),
            expected_user=lambda: OWNER,
            in_use=lambda: self.in_use,
            clock=self.clock,
            log=SILENT,
        )
        self.sign_ins = SignIn(self.pats, self.clock, expected_user=lambda: OWNER)
        self.watch_attempts()
        life = asyncio.ensure_future(self.pats.run())
        for _ in range(self.chance.randrange(4)):
            self.sample()
        for _ in range(STEPS):
            await self.step()
            self.check()
        if self.running:
            await asyncio.wait(self.running, timeout=600)
        await self.end(life)

    async def step(self) -> None:
        self.workspace.fault_rate = self.chance.choice((0, 0, 0, 0.2, 0.6, 1))
        self.workspace.list_lag_seconds = self.chance.choice((0, 0, 2, 60))
        self.workspace.new_token_lag_seconds = self.chance.choice((0, 0, 1))
        self.workspace.tokens.revocation_delay_seconds = self.chance.choice((0, 0, 5, 60))
        step = self.chance.choice(
            (
                *(self.adopt, self.adopt, self.rotate, self.rotate_often, self.log_out),
                *(self.refuse, self.promise, self.promise, self.sleep, self.open_or_close),
                *(self.jump, self.revoke, self.sign_in, self.sign_in, self.answer_again),
                *(self.forbid_or_allow_pats, self.end_sessions, self.rest),
            )
        )
        work = asyncio.ensure_future(self._quietly(step))
        self.running.add(work)
        work.add_done_callback(self.running.discard)
        # Sometimes the next step begins while this one is under way.
        await asyncio.sleep(self.chance.choice((0, 0.01, 1, 30, 200, 590)))

    async def _quietly(self, step) -> None:
        with contextlib.suppress(DbxAgentsError, RuntimeError):
            await step()

    # ---- the steps

    def sample(self) -> Secret:
        scopes = self.chance.choice((("all-apis",), ("authentication", "scim", "serving")))
        value, _ = self.workspace.tokens.mint(OWNER, comment="the user's", scopes=scopes)
        return Secret(value)

    async def adopt(self) -> None:
        pasted = self.sample()
        self.adopted.append(pasted)
        await self._by_hand(self.pats.adopt(pasted))

    async def sign_in(self) -> None:
        """Sign in, with tokens of short or long life."""
        self.workspace.sign_in.rules.access_token_seconds = self.chance.choice((300, 3600))
        self.workspace.sign_in.rules.refresh_token_seconds = self.chance.choice((900, 86400))
        address = (await self.sign_ins.begin())["address"]
        self.answers.append(self.workspace.consent(address))
        await self._by_hand(self.sign_ins.answer(self.answers[-1]))

    async def answer_again(self) -> None:
        """Use an answer again: it is refused, or completes a sign-in that has failed."""
        if self.answers:
            await self._by_hand(self.sign_ins.answer(self.chance.choice(self.answers)))

    async def forbid_or_allow_pats(self) -> None:
        self.workspace.tokens.are_disabled = not self.workspace.tokens.are_disabled

    async def end_sessions(self) -> None:
        """End them as an administrator does, and their access tokens with them."""
        if self.chance.random() < 0.3:
            self.workspace.sign_in.end_sessions()

    async def rest(self) -> None:
        """Let tokens be refreshed, or expire."""
        await asyncio.sleep(self.chance.choice((900, 4000)))

    async def rotate(self) -> None:
        await self._by_hand(self.pats.rotate())

    async def rotate_often(self) -> None:
        for _ in range(30):
            await self._quietly(self.rotate)

    async def log_out(self) -> None:
        self.log_outs += 1
        try:
            await self.pats.log_out()
        finally:
            self.log_outs -= 1
            self.promises.clear()  # a log-out ends them

    async def refuse(self) -> None:
        current = self.pats.current()
        if current is not None:
            await self._by_hand(self.pats.replace_refused(current))  # renews a first loss at once

    async def promise(self) -> None:
        promise = self.pats.promise()
        if promise is not None:
            unix = promise.expires_on - self.clock.wall_offset_seconds
            until = datetime.fromtimestamp(unix, self.clock.now().tzinfo)
            self.promises.append((promise.access_token, until))

    async def sleep(self) -> None:
        self.clock.slept_seconds += self.chance.choice((60, 400, 2000))

    async def open_or_close(self) -> None:
        self.in_use = not self.in_use
        self.pats.session_opened()

    async def jump(self) -> None:
        self.clock.wall_offset_seconds += self.chance.uniform(-7200, 7200)

    async def revoke(self) -> None:
        current = self.pats.current()
        if current is not None and self.chance.random() < 0.3:
            self.revoked_outside.add(current)
            self.workspace.tokens.revoke(self.workspace.of(current).token_id)

    async def _by_hand(self, operation) -> None:
        self.by_hand += 1
        try:
            await operation
        finally:
            self.by_hand -= 1

    # ---- what must hold

    def check(self) -> None:
        assert all(pause >= SHORTEST_PAUSE_SECONDS for pause in self.pauses), min(self.pauses)
        self.check_others()
        self.check_promises()
        if not any(not task.done() for task in self.running):
            self.check_known()

    def check_known(self) -> None:
        """Each living token of ours is the current one, or remembered as one that must go."""
        if self.pats._operations.is_running:  # a rotation is under way
            return
        waiting = self.pats._revocations.waiting()
        known = {w.pat.value for w in waiting if isinstance(w, ReplacedPat)}
        known |= {pat.value for pat in [self.pats._store.pat] if pat is not None}
        ids = {self.workspace.of(value).token_id for value in known}
        lost = {w._comment for w in waiting if isinstance(w, Abandoned)}
        for token in self.workspace.tokens.live_of(OWNER):
            if token.comment.startswith(COMMENT_PREFIX):
                assert token.token_id in ids or token.comment in lost, token

    def check_others(self) -> None:
        """None of the user's tokens is revoked but those that were adopted."""
        adopted = {self.workspace.of(pasted).token_id for pasted in self.adopted}
        for token in self.workspace.tokens.all():
            if token.comment == "the user's" and token.token_id not in adopted:
                assert token.revoked_at is None, token

    def check_promises(self) -> None:
        """No token is deleted before what was promised for it has passed."""
        if self.log_outs:
            return
        now = self.clock.now()
        for secret, until in self.promises:
            token = self.workspace.of(secret)
            # The workspace ends a session by itself, too: if a reply got lost, say (re-use).
            is_outside = token.kind == "oauth" and (
                token.token_id not in self.workspace.ended_on_request
            )
            if secret in self.revoked_outside or is_outside:
                continue
            assert token.revoked_at is None or token.revoked_at >= until, (token, until)
            assert until <= token.expires_at + timedelta(seconds=1)
        self.promises = [p for p in self.promises if p[1] > now]

    def watch_attempts(self) -> None:
        """Count what one attempt creates as one; a first loss may be renewed at once."""
        rotate, renew_lost = self.pats._renewal.rotate, self.pats._held.renew_lost

        async def counted() -> None:
            self.has_counted = False
            await rotate()
            rotate_at = self.pats._schedule.rotate_at
            if rotate_at is not None and rotate_at <= self.clock.now():
                # An access token that the session has held for a while, published when PATs are
                # forbidden at last, is due at once; the next one is new.
                self.last_attempt_at = None

        def renewed(why: str) -> None:
            if self.lost_at is None or self.seconds() - self.lost_at > LOST_AGAIN.total_seconds():
                self.last_attempt_at = None
            self.lost_at = self.seconds()
            renew_lost(why)

        self.pats._renewal.rotate = counted  # type: ignore[method-assign]
        self.pats._held.renew_lost = renewed  # type: ignore[method-assign]

    def seconds(self) -> float:
        return asyncio.get_running_loop().time() + self.clock.slept_seconds

    def check_pause(self) -> None:
        """The loop's attempts have a pause between them."""
        if self.by_hand:
            self.last_attempt_at = None
            return
        if self.has_counted:
            return
        self.has_counted = True
        now = self.seconds()
        if self.last_attempt_at is not None:
            self.pauses.append(now - self.last_attempt_at)
        self.last_attempt_at = now

    async def end(self, life: asyncio.Future[None]) -> None:
        """Stop, without faults: nothing of ours is left; with faults, it is over soon."""
        self.workspace.fault_rate = self.chance.choice((0, 1))
        self.workspace.tokens.are_disabled = False
        self.workspace.new_token_lag_seconds = self.workspace.odd_rate = 0
        if not self.workspace.fault_rate:
            await asyncio.sleep(16)  # what hung before has ended
        began = asyncio.get_running_loop().time()
        await self.pats.stop()
        assert asyncio.get_running_loop().time() - began <= 5
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        self.check_known()
        self.check_others()
        is_healthy = not self.workspace.fault_rate and not self.workspace.list_lag_seconds
        if is_healthy and self.workspace.is_honest:
            orphans = self.orphans()
            for token in self.workspace.tokens.live_of(OWNER):
                ours = token.comment.startswith(COMMENT_PREFIX)
                assert not ours or token.comment in orphans, token

    def orphans(self) -> set[str]:
        """Comments of those whose reply got lost and whose parent has died since: nobody can."""
        waiting = self.pats._revocations.waiting()
        lost = [w for w in waiting if isinstance(w, Abandoned)]
        now = self.clock.now()
        return {w._comment for w in lost if not self.workspace.of(w._parent).is_accepted(now)}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_loses_a_token_takes_another_or_hammers_the_workspace(part: int):
    base = os.environ.get("HISTORY_SEED") or f"{random.SystemRandom().getrandbits(32):08x}"
    for number in range(HISTORIES // PARTS):
        seed = f"{base}-{part}-{number}"
        random.seed(seed)  # for the product's own chance, in its pauses
        try:
            with asyncio.Runner(loop_factory=WarpLoop) as runner:
                runner.run(History(seed).run())
        except BaseException:
            print(f"the history's seed: HISTORY_SEED={base}, history {part}-{number}")
            raise
