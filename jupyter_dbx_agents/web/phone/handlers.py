"""The routes of a session's page: the page, its forms, its screen's text and its script."""

import json
from http import HTTPStatus

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado import web

from ...errors import DbxAgentsError
from ...terminals.screen.renderer import ScreenError
from ..operations import Services
from ..pages import PageFileHandler, PageHandler
from ..rest import Route
from .actions import KEYS, act, given_text, session_of
from .names import SessionNames
from .once import OnceOnly
from .page import SCRIPT_FILE, ScreenModel, render_session, screen_model

HOME_PATH = "/dbx-agents/"
SESSIONS_PATH = f"{HOME_PATH}sessions"
# By which each answer brings the page a new key.
KEY_HEADER = "X-Dbx-Agents-Key"
FIELDS = ("text", "revision", "what")


class SessionHandler(PageHandler):
    """The page of one session, and its forms."""

    has_script = True

    @web.authenticated
    @authorized
    async def get(self, id: str) -> None:
        """Show the page; ``fate`` in the address is the key of the last action."""
        try:
            await self._show(id, fate=await self._fate())
        except DbxAgentsError:  # the terminal has ended
            self.redirect(url_path_join(self.base_url, HOME_PATH))

    @web.authenticated
    @authorized
    async def post(self, id: str) -> None:
        """Do a form's action once; answer a script with its fate, else show the page."""
        key, action = self.get_body_argument("key", ""), self.get_body_argument("action", "")
        try:
            arguments = self.request.body_arguments
            fields = {name: given_text(arguments, name) for name in FIELDS}
            fate = await self.once.run(
                key, (id, action, fields), lambda: act(self.services, id, action, fields)
            )
        except DbxAgentsError as error:
            self.set_status(error.http_status)
            await self._answer(id, key, error.message, error.hint)
        else:
            await self._answer(id, key, fate)

    async def _answer(self, id: str, key: str, message: str, hint: str = "") -> None:
        is_done = self.get_status() == HTTPStatus.OK
        if "application/json" in self.request.headers.get("Accept", ""):
            self._finish_json({"message": message, "hint": hint})
        elif is_done:  # a reload of what follows sends nothing again
            self.redirect(f"{self._path(id)}?fate={key}", status=HTTPStatus.SEE_OTHER)
        else:
            try:
                await self._show(id, problem=f"{message} {hint}".strip())
            except DbxAgentsError:
                self.redirect(url_path_join(self.base_url, HOME_PATH), status=HTTPStatus.SEE_OTHER)

    async def _fate(self) -> str:
        return await self.once.fate(self.get_query_argument("fate", ""))

    async def _show(self, id: str, *, fate: str = "", problem: str = "") -> None:
        page = render_session(
            await self._model(id),
            home=url_path_join(self.base_url, HOME_PATH),
            path=self._path(id),
            xsrf_field=self.xsrf_form_html(),
            key=self.once.new_key(),
            keys=KEYS,
            fate=fate,
            problem=problem,
        )
        self.finish_page(page)

    async def _model(self, id: str) -> ScreenModel:
        """Return what is shown.  Raises RequestError if the terminal has ended."""
        terminal = self.services.sessions.terminal(id)
        session = session_of(self.services, id)
        is_answered = self.services.attention.is_answered(id)
        title = self._names().of_terminal(terminal.term_name or "")
        try:
            lines, problem = (await terminal.screen_text()).lines, ""
        except ScreenError as error:
            lines, problem = (), f"{error}."
        return screen_model(session, title, lines, problem, is_answered=is_answered)

    def _names(self) -> SessionNames:
        services = self.services
        return SessionNames(
            {
                "agents": services.agents.status(),
                "attention": services.attention.status(),
                "terminals": services.sessions.terminals(),
            }
        )

    def _path(self, id: str) -> str:
        return url_path_join(self.base_url, SESSIONS_PATH, id)

    def _finish_json(self, model: object) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.set_header(KEY_HEADER, self.once.new_key())
        self.finish(json.dumps(model))


class ScreenHandler(SessionHandler):
    """A session's state and screen; what has not changed is not sent again (tornado's ETag)."""

    @web.authenticated
    @authorized
    async def get(self, id: str) -> None:
        """Return it."""
        try:
            self._finish_json(await self._model(id))
        except DbxAgentsError as error:
            self.set_status(error.http_status)
            self._finish_json({"message": error.message, "hint": error.hint})

    async def post(self, id: str) -> None:
        """Refuse: there are no forms here."""
        raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)


def session_routes(services: Services, once: OnceOnly) -> list[Route]:
    """Return the routes for Jupyter's web application."""
    path, arguments = (
        f"{SESSIONS_PATH}/(?P<id>[0-9a-f]{{32}})",
        {"services": services, "once": once},
    )
    return [
        (path, SessionHandler, arguments),
        (f"{path}/screen", ScreenHandler, arguments),
        (f"{HOME_PATH}session.js", PageFileHandler, {"file": SCRIPT_FILE}),
    ]
