"""The wiring: routes of the workspace, and a server that runs it in this process."""

from __future__ import annotations

import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from .apps import handlers as app_handlers
from .control import control_routes
from .models import anthropic as models_anthropic
from .models import chat as models_chat
from .models import gemini as models_gemini
from .models import handlers as model_handlers
from .models import responses as models_responses
from .rest import accounts as rest_handlers
from .rest import file_handlers, mlflow_handlers
from .state import Workspace
from .web import NoSuchRoute

# The workspace's largest file and some room for its multipart envelope.
MAX_BODY_BYTES = 520 * 1024 * 1024

Routes = list[Any]

_ANTHROPIC_BASES = {
    "/ai-gateway/anthropic": True,
    "/anthropic": True,
    "/serving-endpoints/anthropic": False,
}
_RESPONSES_BASES = {
    "/ai-gateway/codex/v1": True,
    "/ai-gateway/openai/v1": True,
    "/codex/v1": True,
    "/openai/v1": True,
    "/serving-endpoints": False,
}
_CHAT_BASES = {
    "/ai-gateway/mlflow/v1": True,
    "/ai-gateway/openai/v1": True,
    "/mlflow/v1": True,
    "/openai/v1": True,
    "/serving-endpoints": False,
}
_GEMINI_BASES = {"/ai-gateway/gemini": True, "/gemini": True, "/serving-endpoints/google": False}


def _rest_routes(shared: dict[str, Any]) -> Routes:
    return [
        (r"/api/2\.0/preview/scim/v2/Me", rest_handlers.MeHandler, shared),
        (r"/api/2\.0/token/create", rest_handlers.TokenCreateHandler, shared),
        (r"/api/2\.0/token/list", rest_handlers.TokenListHandler, shared),
        (r"/api/2\.0/token/delete", rest_handlers.TokenDeleteHandler, shared),
        (r"/\.well-known/databricks-config", rest_handlers.DatabricksConfigHandler, shared),
        (
            r"/oidc/\.well-known/oauth-authorization-server",
            rest_handlers.OidcDiscoveryHandler,
            shared,
        ),
        (r"/oidc/v1/token", rest_handlers.OidcTokenHandler, shared),
    ]


def _file_routes(shared: dict[str, Any]) -> Routes:
    return [
        (r"/api/2\.0/workspace/mkdirs", file_handlers.MkdirsHandler, shared),
        (r"/api/2\.0/workspace/list", file_handlers.ListHandler, shared),
        (r"/api/2\.0/workspace/get-status", file_handlers.GetStatusHandler, shared),
        (r"/api/2\.0/workspace/import", file_handlers.ImportHandler, shared),
        (r"/api/2\.0/workspace/export", file_handlers.ExportHandler, shared),
        (r"/api/2\.0/workspace/delete", file_handlers.DeleteHandler, shared),
        (r"/api/2\.0/workspace-files/import-file/(.+)", file_handlers.ImportFileHandler, shared),
    ]


def _listing_routes(shared: dict[str, Any]) -> Routes:
    gateway = {**shared, "is_gateway": True}
    return [
        (r"/api/2\.0/serving-endpoints", model_handlers.ServingEndpointsHandler, shared),
        (
            r"/api/2\.0/serving-endpoints:foundation-models",
            model_handlers.FoundationModelsHandler,
            shared,
        ),
        (r"/api/2\.1/unity-catalog/model-services", model_handlers.ModelServicesHandler, shared),
        (r"/api/ai-gateway/v2/endpoints", model_handlers.GatewayEndpointsHandler, gateway),
    ]


def _mlflow_routes(shared: dict[str, Any]) -> Routes:
    experiments, traces = r"/api/2\.0/mlflow/experiments", r"/api/3\.0/mlflow/traces"
    credentials = r"/api/2\.0/mlflow/traces/([^/]+)/credentials-for-data-(upload|download)"
    return [
        (f"{experiments}/get-by-name", mlflow_handlers.ExperimentByNameHandler, shared),
        (f"{experiments}/get", mlflow_handlers.ExperimentHandler, shared),
        (f"{experiments}/create", mlflow_handlers.ExperimentCreateHandler, shared),
        (traces, mlflow_handlers.TracesHandler, shared),
        (f"{traces}/search", mlflow_handlers.TraceSearchHandler, shared),
        (f"{traces}/([^/]+)", mlflow_handlers.TraceHandler, shared),
        (credentials, mlflow_handlers.TraceCredentialsHandler, shared),
        (r"/_storage/traces/([^/]+)", mlflow_handlers.StorageHandler, shared),
    ]


def _model_routes(shared: dict[str, Any]) -> Routes:
    routes: Routes = []
    for base, is_gateway in _ANTHROPIC_BASES.items():
        options = {**shared, "is_gateway": is_gateway}
        call = {**options, "dialect": models_anthropic.DIALECT}
        count = f"{base}/v1/messages/count_tokens"
        routes.append((f"{base}/v1/messages", model_handlers.ModelHandler, call))
        routes.append((count, model_handlers.CountTokensHandler, call))
        routes.append((f"{base}/v1/models", model_handlers.AnthropicModelsHandler, options))
    for base, is_gateway in _RESPONSES_BASES.items():
        options = {**shared, "is_gateway": is_gateway}
        call = {**options, "dialect": models_responses.DIALECT}
        routes.append((f"{base}/responses", model_handlers.ModelHandler, call))
        routes.append((f"{base}/models", model_handlers.OpenAiModelsHandler, options))
    for base, is_gateway in _CHAT_BASES.items():
        call = {**shared, "is_gateway": is_gateway, "dialect": models_chat.DIALECT}
        routes.append((f"{base}/chat/completions", model_handlers.ModelHandler, call))
    for base, is_gateway in _GEMINI_BASES.items():
        call = {**shared, "is_gateway": is_gateway, "dialect": models_gemini.DIALECT}
        path = base + r"/v1(?:beta)?/models/([^/:]+):(\w+)"
        routes.append((path, model_handlers.GeminiHandler, call))
    invocations = {**shared, "dialect": models_chat.DIALECT}
    routes.append(
        (r"/serving-endpoints/([^/]+)/invocations", model_handlers.ModelHandler, invocations)
    )
    return routes


def workspace_routes(workspace: Workspace) -> Routes:
    """The URL map of the workspace."""
    shared = {"workspace": workspace}
    return [
        *_rest_routes(shared),
        *app_handlers.app_routes(shared),
        *_file_routes(shared),
        *_listing_routes(shared),
        *_mlflow_routes(shared),
        *_model_routes(shared),
        (r".*", NoSuchRoute, shared),
    ]


class LocalWorkspace:
    """The local workspace as two loopback servers: the workspace itself, and its control API."""

    def __init__(self, workspace: Workspace | None = None) -> None:
        self.workspace = workspace or Workspace()
        self._servers: list[HTTPServer] = []
        self.url = ""
        self.control_url = ""

    async def start(self, port: int = 0, control_port: int = 0, address: str = "127.0.0.1") -> None:
        """Listens; port 0 takes free ones, to be read from `url` and `control_url`."""
        routes = workspace_routes(self.workspace)
        self.url = self._listen(routes, port, address)
        # The control API gives tokens away, so it stays on loopback wherever the workspace listens.
        self.control_url = self._listen(control_routes(self.workspace), control_port, "127.0.0.1")

    async def stop(self) -> None:
        """Ends both servers, their connections and the apps' programs."""
        await self.workspace.app_service.close()
        for server in self._servers:
            server.stop()
        for server in self._servers:
            await server.close_all_connections()
        self._servers.clear()

    def _listen(self, routes: Routes, port: int, address: str) -> str:
        sockets = bind_sockets(port, address, family=socket.AF_INET)
        application = Application(routes, log_function=lambda _handler: None)
        server = HTTPServer(
            application, max_body_size=MAX_BODY_BYTES, max_buffer_size=MAX_BODY_BYTES
        )
        server.add_sockets(sockets)
        self._servers.append(server)
        return f"http://{address}:{sockets[0].getsockname()[1]}"


def reserve_port() -> socket.socket:
    """Return a socket whose loopback port nobody else is given until it is closed.

    It is bound and never listens.  Linux gives its port to nobody who asks for any, to listen or to
    connect from, but lets a server that asks for it by number listen there: both set SO_REUSEADDR
    (socket(7)), as tornado does.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def port_of(reserved: socket.socket) -> int:
    """Return the number of a reserved port."""
    return int(reserved.getsockname()[1])
