"""``Attention``: the state of every agent, and which of them needs the owner."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from traitlets.config import LoggingConfigurable

from ...background import Listeners
from ...errors import RequestError
from .processes import AgentProcess, ProcessEnds, Processes, group_of
from .session import Place, Session, SessionState
from .states import LIVE, MOST_RECORDS, NEEDS, NEWS, Records, Report, State, one_line
from .status_protocol import notification_text, status_report

# Coalesces the changes of a program that reports all the time; nobody reads faster.
CHANGE_SECONDS = 0.1
# An agent that goes on at once, such as after a step, has not needed anybody.
SETTLE_SECONDS = 1.0
BELL = "\a"  # among the marks of an agent
# How often to look for agents in the background, while models are being called.
LOOK_SECONDS = 5.0
# Those of terminals are as many as the terminals.
MOST_BACKGROUND = 50
# Two hooks that run at the same time may overtake each other, by less than this; what is older is
# of another clock.
OVERTAKING_SECONDS = 5.0
# A program that needs its owner again and again is told of so many times at once, and then every so
# many seconds: the draft of OSC 7501 asks for a limit.
MOST_TOLD_AT_ONCE, TOLD_AGAIN_SECONDS = 6, 20.0
# An agent that rings after each turn does so up to a second after its hook has reported the end of
# the turn, on a busy machine later: the next turn may have begun.
RINGING_SECONDS = 10.0
CRASHED = "It ended while it was working."
STOPPED = "It is stopped. Type fg to continue it."
_ASKING = LIVE & NEEDS


class Attention(LoggingConfigurable):
    """The sessions and their states.

    ``titles`` are the marks in the titles of agents, by their names, that say what they are doing;
    a bell is one, too.
    ``places`` returns the terminals that are open.  A report comes from an agent's own screen
    (``reported``), from its hook (``hooked``), or from any program (``notified`` and ``rang``).
    """

    def __init__(
        self,
        processes: Processes,
        titles: Mapping[str, Mapping[str, State]],
        places: Callable[[], Mapping[str, Place]],
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self._processes, self._titles, self._places = processes, titles, places
        self._ends = ProcessEnds()
        self._sessions: dict[str, Session] = {}
        self._groups: dict[str, int] = {}  # those in front, when ``follow`` last looked
        self._revision = 0
        self._changing: asyncio.TimerHandle | None = None
        self.on_change = Listeners("the agents' states", self.log)
        # Called with each session that needs the owner, once it has not gone on by itself.
        self.on_need: list[Callable[[SessionState], object]] = []

    def status(self) -> list[SessionState]:
        """Return the REST models: what needs the owner first, then the latest."""
        latest = sorted(self._sessions.values(), key=lambda session: session.since, reverse=True)
        return [s.to_json() for s in sorted(latest, key=lambda s: list(State).index(s.state))]

    def needs(self, need: SessionState) -> bool:
        """Whether a need is still one that nobody has seen."""
        session = self._sessions.get(need["id"])
        if session is None or session.revision != need["revision"]:
            return False
        return session.state in NEEDS and session.seen < session.revision

    # ---- what comes from terminals

    def reported(self, place: Place, content: bytes) -> None:
        """Take an OSC 7501 of the program in the foreground."""
        report, known = status_report(content), self._sessions.get(place.id)
        if report is None:
            return
        if known is not None and known.has_ended and self._is_of(known, place):
            self._take_late(known, report)
        elif report.state in NEWS or not self._is_shell_alone(place):
            session = self._session_in(place)
            session.reports = True
            self._take(session, report)

    def _is_shell_alone(self, place: Place) -> bool:
        """Whether only a shell can have reported: what it says that it does would never end."""
        known = self._sessions.get(place.id)
        if not place.is_shell_in_front or (known is not None and self._is_put_aside(known, place)):
            return False
        return not self._processes.identify(place.leader).agent

    def _take_late(self, session: Session, report: Report) -> None:
        """Take what a program wrote before its end, which is read after it."""
        if report.state in NEWS:
            self._take(session, report)
        elif report.state not in LIVE and session.text == CRASHED:
            self._forget(session)  # it had stopped working

    def notified(self, place: Place, content: bytes, *, has_title: bool) -> None:
        """Take a notification of any program: an OSC 9 or, with a title, an OSC 777."""
        if text := notification_text(content, has_title=has_title):
            self._noticed(place, text)

    def rang(self, place: Place, *, is_reply: bool) -> None:
        """Take a bell of any program; ``is_reply`` if somebody has just typed there.

        Some agents ring when a turn is over, however it ends.
        """
        known = self._sessions.get(place.id)
        known = known if known and self._is_of(known, place) else None
        agent = known.process.agent if known and known.process else ""
        state = self._titles.get(agent, {}).get(BELL)
        if known is not None and state is not None:
            self._rang_at_end(known, state)
        elif not is_reply:
            self._noticed(place, "")

    def _rang_at_end(self, session: Session, state: State) -> None:
        """Take the bell at the end of a turn: of the last one, if a hook has not reported that."""
        is_of_known_end = time.monotonic() < session.rings_until
        session.rings_until = 0.0
        if session.state in LIVE and not is_of_known_end:
            self._take(session, Report(state))

    def _noticed(self, place: Place, text: str) -> None:
        session = self._session_in(place)
        if not session.reports:
            self._take(session, Report(State.DONE, text))

    def titled(self, place: Place, content: bytes) -> None:
        """Take a terminal's title, of those agents that say there what they are doing."""
        session = self._sessions.get(place.id)
        marks = self._titles.get(session.process.agent, {}) if session and session.process else {}
        title = content.decode(errors="replace")
        mark = next((mark for mark in marks if mark in title), "")
        if session is None or not mark or mark == session.mark:
            return
        if session.has_ended or not self._is_of(session, place):
            return  # that of another program
        session.mark = mark
        state = marks[mark]
        is_asking = session.state in _ASKING
        if state is State.IDLE and session.state in LIVE:
            state = State.DONE
        if not (state in NEEDS and is_asking and state in LIVE):  # a hook says more about it
            self._take(session, Report(state))

    def prompted(self, place: Place) -> None:
        """Take a shell's prompt (OSC 133;A): no program runs in front of it.

        That shell may be one in a program, such as ssh, which goes on; what an agent runs may print
        a prompt, too.
        """
        session = self._sessions.get(place.id)
        if session is None:
            return
        is_there = session.process is not None and self._processes.is_there(session.process)
        is_in_front = is_there and session.group == place.group
        if self._is_put_aside(session, place):
            self._look_whether_stopped(session)
        elif not (is_in_front and session.process and session.process.agent):
            self._end_live(session)

    def follow(self) -> None:
        """Find the agents in the foreground, which may not have reported anything yet."""
        places = self._places()
        for place in places.values():
            known = self._sessions.get(place.id)
            if known is not None and known.process is None and known.group != place.group:
                self._process_ended(
                    known
                )  # no process says so: its group's leader had ended before
            if self._groups.get(place.id) != place.group and not place.is_shell_in_front:
                process = self._processes.in_group(place.group)
                if process is not None and process.agent:
                    self._session_in(place, process)
        self._groups = {place.id: place.group for place in places.values()}
        self._look_for_stopped()

    def _look_for_stopped(self) -> None:
        """Look which processes Ctrl-Z has stopped, and which of them go on: nothing says so."""
        for session in list(self._sessions.values()):
            if session.state in LIVE or session.is_stopped:
                self._look_whether_stopped(session)

    def _look_whether_stopped(self, session: Session) -> None:
        """While it is stopped an agent neither works nor asks; then it does what it did before."""
        process = session.process
        is_stopped = process is not None and self._processes.is_stopped(process)
        if is_stopped != session.is_stopped:
            session.is_stopped = is_stopped
            self._become(session, session.records.main())

    def _is_put_aside(self, session: Session, place: Place) -> bool:
        """Whether a program that has not ended was stopped, or runs on, behind what is in front."""
        process = session.process
        if process is None or session.group in {place.group, place.leader}:
            return False
        return self._processes.is_there(process)

    async def run(self, is_worth: Callable[[], bool]) -> None:
        """Look for agents without a terminal now and then, if it is worth it, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look_for_stopped()
            if is_worth():
                self.found(await asyncio.to_thread(self._processes.outermost))

    def found(self, processes: Iterable[AgentProcess]) -> None:
        """Take all agents that there are; those that no terminal shows are in the background."""
        groups = {place.group for place in self._places().values()}
        for process in processes:
            session = self._sessions.get(_background_id(process))
            if group_of(process.pid) not in groups:
                self.background(process)
            elif session is not None:
                self._forget(session)

    def terminal_ended(self, id: str) -> None:
        """Forget the session of a terminal that has ended."""
        if id in self._sessions:
            self._forget(self._sessions[id])

    # ---- what comes from hooks

    def hooked(self, agent: str, given: Mapping[str, Any]) -> None:
        """Take what an agent's hook reports; ``hook`` says what that has.

        Raises RequestError for a state that there is not.
        """
        report, pid, at = _report(given), given.get("pid"), given.get("at")
        process = self._processes.above(pid, agent) if isinstance(pid, int) else None
        if process is None or self._processes.is_of_another_agent(process):
            return  # it has ended meanwhile, or is the affair of the agent that has started it
        place = self._places().get(str(given.get("terminal", "")))
        if place is not None and place.group == group_of(process.pid):
            session: Session | None = self._session_in(place, process)
        else:
            session = self.background(process)
        moment = at if isinstance(at, int | float) else 0.0  # a whole second is an int in JSON
        if session is not None and not _is_overtaken(session, report.id, moment):
            session.reports = True
            was_live = session.state in LIVE
            self._take(session, report)
            # Hermes rings at the end of a task in the background, too.
            if was_live and (session.state not in LIVE or report.state in NEWS):
                session.rings_until = time.monotonic() + RINGING_SECONDS

    def background(self, process: AgentProcess) -> Session | None:
        """Return the session of an agent without a terminal; None for one too many."""
        of_it = [
            session
            for session in self._sessions.values()
            if session.process and session.process.pid == process.pid and not session.has_ended
        ]
        if of_it:
            return of_it[0]  # perhaps put aside in its terminal
        if not self._has_room():
            return None
        self._begin(Session(_background_id(process), None, process))
        return self._sessions[_background_id(process)]

    def _has_room(self) -> bool:
        """Whether one more fits in the background; the oldest that has ended gives its place."""
        background = [s for s in self._sessions.values() if s.terminal is None]
        if len(background) < MOST_BACKGROUND:
            return True
        ended = [session for session in background if session.has_ended]
        if ended:
            self._forget(min(ended, key=lambda session: session.since))
        return bool(ended)

    # ---- what the owner does

    def is_answered(self, id: str) -> bool:
        """Whether somebody has typed into a terminal since its program asked for what it asks."""
        session, place = self._sessions.get(id), self._places().get(id)
        return session is not None and place is not None and place.typed_at > session.needed_at

    def see(self, id: str, revision: int) -> None:
        """Take note that the owner has seen a need; news are none any more.

        Raises RequestError for an unknown session.
        """
        session = self._sessions.get(id)
        if session is None:
            raise RequestError(
                f"There is no session “{id}”.", "It may have ended. Get the list again.", status=404
            )
        if revision >= session.revision > session.seen:
            session.seen = session.revision
            if session.state in NEWS:
                self._end_news(session)
            self._changed()

    def _end_news(self, session: Session) -> None:
        session.records = Records()
        if session.process is None or session.has_ended:
            self._forget(session)
        else:
            self._become(session, Report(State.IDLE), is_seen=True)

    # ---- sessions

    def _session_in(self, place: Place, process: AgentProcess | None = None) -> Session:
        """Return the session of the program in the foreground, begun if there is none."""
        known = self._sessions.get(place.id)
        if known is not None and process in (None, known.process) and self._is_of(known, place):
            known.typed_at = place.typed_at
            return known
        if known is not None:
            self._leave_terminal(known, place)
        process = process or (self._processes.agent_in_group(place.group) if place.group else None)
        behind = self._sessions.get(_background_id(process)) if process else None
        if behind is not None and not behind.has_ended:
            self._move(behind, place.id, place.terminal)
            behind.group, behind.typed_at = place.group, place.typed_at
            return behind
        session = Session(
            place.id, place.terminal, process, group=place.group, typed_at=place.typed_at
        )
        self._begin(session)
        return session

    def _is_of(self, session: Session, place: Place) -> bool:
        """Whether what comes from a terminal is that of a session's program.

        Behind a shell, which itself reports nothing, it is that of an agent that was put aside, or
        what was written before the end; another program may come in the same group.
        """
        if session.group == place.group:
            return not session.has_ended or self._processes.in_group(place.group) is None
        is_behind = session.has_ended or self._is_put_aside(session, place)
        return place.is_shell_in_front and is_behind

    def _leave_terminal(self, session: Session, place: Place) -> None:
        """Make room for another program: an agent that was put aside is in the background now."""
        process = session.process
        is_aside = self._is_put_aside(session, place)
        if process is not None and process.agent and is_aside and self._has_room():
            self._move(session, _background_id(process), None)
        else:
            self._forget(session)

    def _move(self, session: Session, id: str, terminal: str | None) -> None:
        del self._sessions[session.id]
        session.id, session.terminal = id, terminal
        self._sessions[id] = session
        self._changed()

    def _begin(self, session: Session) -> None:
        self._sessions[session.id] = session
        process = session.process
        if process is not None:
            session.folder = process.folder()
            session.unwatch = self._ends.watch(process.pid, lambda: self._process_ended(session))
            if process.does_one_turn:
                self._take(session, Report(State.WORKING))
        self._changed()

    def _process_ended(self, session: Session) -> None:
        if self._sessions.get(session.id) is not session:
            return
        session.end()
        self._end_live(session)

    def _end_live(self, session: Session) -> None:
        """Neither works nor asks any more what has ended."""
        before = session.state
        session.records.end()
        if before is State.WORKING:
            is_one_turn = session.process is not None and session.process.does_one_turn
            ended = Report(State.DONE) if is_one_turn else Report(State.FAILED, CRASHED)
            session.records = Records()
            self._take(session, ended)
        elif before not in NEWS:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        session.unwatch()
        if session.telling is not None:
            session.telling.cancel()
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        self._changed()

    def _take(self, session: Session, report: Report) -> None:
        session.is_stopped = False  # or it could not report
        session.records.put(report)
        self._become(session, session.records.main())

    def _become(self, session: Session, report: Report, *, is_seen: bool = False) -> None:
        """Change a session's state; news stay until they are seen."""
        if session.is_stopped and report.state in LIVE:
            report = Report(State.IDLE, STOPPED)
        state = report.state or State.IDLE
        is_news = session.state in NEWS
        if state is State.IDLE and is_news and not is_seen:
            return
        is_other = state is not session.state or self._asks_for_more(session, report)
        if not is_other and report.text == session.text:
            return
        if state is not session.state:
            session.since = datetime.now(UTC)
        if state in NEEDS and is_other:
            self._revision += 1
            session.revision, session.needed_by = self._revision, report.id
            session.needed_at = time.monotonic()
            self._tell_soon(session)
        session.state, session.text = state, one_line(report.text)
        self._changed()

    def _asks_for_more(self, session: Session, report: Report) -> bool:
        """Whether what is asked is another request, and not the same one in other words.

        It is one of another sub-agent, or comes after somebody has typed an answer.
        """
        if session.state not in _ASKING:
            return False
        is_answered = session.typed_at > session.needed_at
        return report.id != session.needed_by or (is_answered and report.text != session.text)

    # ---- telling

    def _tell_soon(self, session: Session) -> None:
        if session.telling is not None:
            session.telling.cancel()
        soon = time.monotonic() + SETTLE_SECONDS
        at = max(soon, session.told_until - (MOST_TOLD_AT_ONCE - 1) * TOLD_AGAIN_SECONDS)
        revision, loop = session.revision, asyncio.get_running_loop()
        session.telling = loop.call_later(
            at - time.monotonic(), lambda: self._tell(session, revision)
        )

    def _tell(self, session: Session, revision: int) -> None:
        session.telling = None
        if session.state not in NEEDS or self._sessions.get(session.id) is not session:
            return
        session.settled = revision
        self._changed()
        if session.seen >= revision:
            return
        session.told_until = max(session.told_until, time.monotonic()) + TOLD_AGAIN_SECONDS
        for listener in self.on_need:
            listener(session.to_json())

    def _changed(self) -> None:
        if self._changing is None:
            loop = asyncio.get_running_loop()
            self._changing = loop.call_later(CHANGE_SECONDS, self._notify)

    def _notify(self) -> None:
        self._changing = None
        self.on_change.notify()

    async def stop(self) -> None:
        """Watch nothing any more."""
        self._ends.stop()
        if self._changing is not None:
            self._changing.cancel()


def _report(given: Mapping[str, Any]) -> Report:
    try:
        state = State(given.get("state", ""))
    except ValueError:
        states = ", ".join(State)
        raise RequestError(
            f"There is no state “{given.get('state')}”.", f"Send one of {states}."
        ) from None
    return Report(state, one_line(str(given.get("text", ""))), one_line(str(given.get("id", ""))))


def _is_overtaken(session: Session, id: str, at: float) -> bool:
    """Whether a later report of the same sub-agent was there first; else it is noted as the last.

    One of another sub-agent says nothing about this one.
    """
    last = session.last_at.pop(id, 0.0)
    is_overtaken = 0 < last - at < OVERTAKING_SECONDS
    session.last_at[id] = last if is_overtaken else at
    if len(session.last_at) > MOST_RECORDS:
        del session.last_at[next(iter(session.last_at))]
    return is_overtaken


def _background_id(process: AgentProcess) -> str:
    return f"process-{process.pid}"
