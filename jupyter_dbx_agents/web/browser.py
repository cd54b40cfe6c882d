"""The browser's routes beside the REST operations: uploads, the pages, the sign-in's end."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from ..agents import AGENTS
from ..errors import DbxAgentsError, RequestError
from ..local_channel.paths import UPLOADS_PATH
from ..pat.sign_in import CALLBACK_PATH
from .operations import (
    Operation,
    Services,
    delete_pat,
    post_come_back,
    post_pat,
    post_revoke_pasted,
    post_rotate,
    post_sign_in,
    post_sign_in_answer,
    post_sync,
)
from .pages import PageFileHandler, PageHandler
from .phone.actions import given_text, start
from .phone.handlers import HOME_PATH, SESSIONS_PATH, session_routes
from .phone.once import OnceOnly
from .phone.page import Start
from .plain_page import STYLE_FILE, Problem, render_page
from .rest import Route
from .uploads import MOST_UPLOAD_BYTES, UploadHandler

# The page's forms are REST operations, with their fields as the body.
ACTIONS: dict[str, Operation] = {
    "adopt": post_pat,
    "sign-in": post_sign_in,
    "sign-in-answer": post_sign_in_answer,
    "rotate": post_rotate,
    "log-out": delete_pat,
    "revoke-pasted": post_revoke_pasted,
}
FIELDS = ("token", "token_id", "answer")
# These take as long as the workspace does; the page shows how far they are.
LASTING: dict[str, Operation] = {"continue": post_come_back, "sync": post_sync}
SOON_SECONDS = 1.0
START = "start"
START_FIELDS = ("agent", "folder", "prompt")
# What an authorization server puts into a redirect (RFC 6749 §4.1.2, RFC 9207).
ANSWER_FIELDS = ("code", "state", "iss", "error", "error_description")


class PlainPageHandler(PageHandler):
    """The page without JupyterLab, and its forms."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Show the page."""
        self._show(None)

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Run a form's action and show the page, with the error if it failed."""
        try:
            name = self.get_body_argument("action", "")
            if name == START:
                next_url = await self._start()
            else:
                await (self._begin(name) if name in LASTING else self._run(name))
                next_url = self._page_url
        except DbxAgentsError as error:
            self.set_status(error.http_status)
            self._show(Problem(error.message, error.hint))
            return
        self.redirect(next_url, status=HTTPStatus.SEE_OTHER)

    async def _run(self, name: str) -> None:
        action = ACTIONS.get(name)
        if action is None:
            raise RequestError("This page has no such form.", "Reload the page.")
        body = {name: self.get_body_argument(name, "") for name in FIELDS}
        await action(self.services, body)

    async def _begin(self, name: str) -> None:
        """Begin what may take long, once.  Raises its error if it fails soon."""
        key = self.get_body_argument("key", "")
        await self.once.run(key, name, lambda: self._soon(LASTING[name]))

    async def _soon(self, operation: Operation) -> str:
        work = self.services.background.spawn(_error_of(operation(self.services, {})))
        await asyncio.wait({work}, timeout=SOON_SECONDS)
        if work.done() and (error := work.result()) is not None:
            raise error
        return ""

    async def _start(self) -> str:
        """Start an agent, once; return the address of its session."""
        agent, folder, prompt = fields = [
            given_text(self.request.body_arguments, name) for name in START_FIELDS
        ]
        key = self.get_body_argument("key", "")
        id = await self.once.run(key, fields, lambda: start(self.services, agent, folder, prompt))
        return url_path_join(self.base_url, SESSIONS_PATH, id)

    def _sent(self, name: str) -> str:
        """Return what a refused form had in a field, to be shown again."""
        return self.request.body_arguments.get(name, [b""])[-1].decode(errors="replace")

    @property
    def _page_url(self) -> str:
        return url_path_join(self.base_url, HOME_PATH)

    def _show(self, problem: Problem | None) -> None:
        page = render_page(
            self.services.status(),
            path=self._page_url,
            xsrf_field=self.xsrf_form_html(),
            lab_url=url_path_join(self.base_url, "lab"),
            start=self._start_model(),
            attempt=self.services.sign_in.attempt(),
            problem=problem,
        )
        self.finish_page(page)

    def _start_model(self) -> Start:
        terminals = self.services.sessions.by_identity()
        return Start(
            key=self.once.new_key(),
            prompted=frozenset(agent.name for agent in AGENTS if agent.first_prompt),
            given={name: self._sent(name) for name in START_FIELDS},
            identities={each.term_name or "": id for id, each in terminals.items()},
        )


async def _error_of(work: Awaitable[object]) -> DbxAgentsError | None:
    """Return how it failed: later, nobody waits for that, and the status has it."""
    try:
        await work
    except DbxAgentsError as error:
        return error
    return None


class SignInCallbackHandler(PlainPageHandler):
    """Where the workspace sends the browser after a sign-in, with a client of the app's own.

    Its query holds a code, which must not be logged: Jupyter's access log hides fields whose name
    contains “code” or “state”, but tornado's own lines about failures show the whole address.
    """

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Complete the sign-in and show the page, at its own address unless that failed."""
        try:
            await self.services.sign_in.answer_callback(self._answer())
        except DbxAgentsError as error:
            self.set_status(error.http_status)
            self._show(Problem(error.message, error.hint))
            return
        self.redirect(self._page_url, status=HTTPStatus.SEE_OTHER)

    async def post(self) -> None:
        """Refuse: there are no forms here."""
        raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)

    def _answer(self) -> dict[str, str]:
        given = {name: self.get_query_arguments(name) for name in ANSWER_FIELDS}
        if any(len(values) > 1 for values in given.values()):
            raise RequestError("This address names something twice.", "Sign in again.")
        return {name: values[0] for name, values in given.items() if values}

    def _request_summary(self) -> str:
        return f"{self.request.method} {self.request.path}"

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log a failure without the request, whose text has the address."""
        if not isinstance(value, web.HTTPError):
            self.log.error("%s failed", self._request_summary(), exc_info=(typ, value, tb))


class PageRedirectHandler(ExtensionHandlerMixin, JupyterHandler):
    """The page's address without its last slash."""

    auth_resource = "dbx_agents"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Redirect to the page."""
        self.redirect(url_path_join(self.base_url, HOME_PATH))


def configure_page(server: ServerApp, home: Path, projects: Path) -> None:
    """Add to JupyterLab's page what our front end needs before its first request."""
    page = server.web_app.settings.setdefault("page_config_data", {})
    page["dbxAgentsRoot"] = server.root_dir  # JupyterLab's own option may begin with ``~``
    page["dbxAgentsHome"] = str(home)
    page["dbxAgentsProjects"] = str(projects)
    page["dbxAgentsMostUploadBytes"] = MOST_UPLOAD_BYTES


def browser_routes(services: Services, uploads: Path) -> list[Route]:
    """Return the routes for Jupyter's web application, to be added before those of REST."""
    once = OnceOnly()
    arguments = {"services": services, "once": once}
    return [
        (UPLOADS_PATH, UploadHandler, {"folder": uploads}),
        (HOME_PATH, PlainPageHandler, arguments),
        *session_routes(services, once),
        (CALLBACK_PATH, SignInCallbackHandler, arguments),
        (f"{HOME_PATH}page.css", PageFileHandler, {"file": STYLE_FILE}),
        (HOME_PATH.rstrip("/"), PageRedirectHandler, {}),
    ]
