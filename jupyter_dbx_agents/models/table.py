"""The agents' models: which are configured, which the workspace serves, and which are used.

A name that somebody chose, in the configuration or by a variable, is used whether it is served or
not; the report has alternatives.  A default of ours that is not served is replaced by the newest
model that is, the nearest family first: no two regions serve the same ones, and a small model that
answers 404 would stop an agent in the middle of its work.  Where nothing may be listed and the main
model is a service of somebody's own, it does the side jobs, too: whoever has such services often
has no access to the platform's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from traitlets import Unicode, default, validate
from traitlets.config import LoggingConfigurable

from ..background import Listeners
from ..environment import Environment
from ..errors import WorkspaceError
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .discovery import ServedModels, discover
from .families import family_of
from .gateway import (
    UNANSWERED,
    Dialect,
    Gateway,
    GatewayKind,
    checked_address,
    explicit_gateway,
    find_gateway,
)
from .names import (
    alternatives,
    is_platforms,
    is_vendors,
    nearest,
    parse_name,
    without_window_mark,
)

# For side jobs Claude Code uses its main model if neither the default nor another model of that
# family is served.
SIDE_MODELS = ("anthropic_sonnet_model", "anthropic_small_model")
FOLLOWERS = (*SIDE_MODELS, "hermes_model")
MOST_ALTERNATIVES = 6
MOST_NAMES = 100  # that are reported as replaced: they come from agents' requests


class ModelReport(TypedDict):
    """What is known of a model that an agent is to use: the REST model.

    ``model`` is in force, ``configured`` is what was requested; ``served`` is None while that is
    unknown.  ``problem`` is '' if there is none.  What it takes is from the table of families;
    ``efforts`` has the default first.
    """

    model: str
    configured: str
    served: bool | None
    alternatives: list[str]
    problem: str
    context_tokens: int
    output_tokens: int
    sees_images: bool
    efforts: list[str]


class ModelTrait(Unicode[str, str | bytes]):
    """A trait that names a model; its default is that of its variable, else ``model``."""

    def __init__(self, what: str, model: str, dialect: Dialect, variable: str = "") -> None:
        source = f"the variable {variable}, or {model}" if variable else model
        super().__init__(help=f"{what} Default: {source}.")
        self.tag(config=True)
        self.model, self.dialect, self.variable = model, dialect, variable

    def default(self, obj: Any = None) -> str:
        """Return the default for a model table."""
        return without_window_mark((obj and obj.of_variable(self)) or self.model)

    def validate(self, obj: Any, value: Any) -> str:
        """Return a name as gateways know it."""
        return without_window_mark(str(super().validate(obj, value)))


class ModelTable(LoggingConfigurable):
    """The agents' models and the gateway that serves them.

    Once the served models are known, the traits hold what is in force and ``configured`` what was
    requested.  ``on_change`` is called after any of that, or the gateway, has changed.
    """

    anthropic_model = ModelTrait(
        "Claude Code's model.", "databricks-claude-opus-4-7", Dialect.ANTHROPIC, "ANTHROPIC_MODEL"
    )
    anthropic_sonnet_model = ModelTrait(
        "What Claude Code uses where it asks for 'sonnet', as its auto mode does.",
        "databricks-claude-sonnet-4-6",
        Dialect.ANTHROPIC,
    )
    anthropic_small_model = ModelTrait(
        "What Claude Code and OpenCode use for small side jobs, and Claude Code where it asks for "
        "'haiku'.",
        "databricks-claude-haiku-4-5",
        Dialect.ANTHROPIC,
    )
    codex_model = ModelTrait(
        "Codex' model.", "databricks-gpt-5-5", Dialect.RESPONSES, "CODEX_MODEL"
    )
    gemini_model = ModelTrait(
        "Gemini CLI's model.", "databricks-gemini-2-5-pro", Dialect.GEMINI, "GEMINI_MODEL"
    )
    hermes_model = ModelTrait(
        "Hermes' model.", "databricks-claude-opus-4-7", Dialect.CHAT, "HERMES_MODEL"
    )
    gateway_host = Unicode(
        None,
        allow_none=True,
        help="Address of the AI Gateway, such as https://1.ai-gateway.cloud.databricks.com or "
        "https://<workspace>/ai-gateway; it is trusted with the user's token. Empty: use no "
        "gateway but the serving endpoints. None: find out. Default: the variable "
        "DATABRICKS_GATEWAY_HOST.",
    ).tag(config=True)

    def __init__(self, environment: Environment, **kwargs: Any) -> None:
        self._environment = environment
        super().__init__(**kwargs)
        self.gateway = self._gateway_before_asking()
        self.served = ServedModels()
        self.on_change = Listeners("the models", self.log)
        traits = self.traits().items()
        self._model_traits = {n: trait for n, trait in traits if isinstance(trait, ModelTrait)}
        self.chosen = frozenset(
            name
            for name, trait in self._model_traits.items()
            if self.trait_has_value(name) or self.of_variable(trait)
        )
        self.configured: Mapping[str, str] = {n: getattr(self, n) for n in self._model_traits}
        self._was_listed = False
        self.stand_ins: dict[str, str] = {}  # by the vendor's name that was asked for

    @default("gateway_host")
    def _default_gateway_host(self) -> str | None:
        host = self._environment.settings.get("DATABRICKS_GATEWAY_HOST")
        return checked_address(host) if host else host  # traitlets validates no default

    @validate("gateway_host")
    def _validate_gateway_host(self, proposal: dict[str, Any]) -> str | None:
        host: str | None = proposal["value"]
        return checked_address(host) if host else host

    def of_variable(self, trait: ModelTrait) -> str:
        """Return the model that a trait's variable names, '' if none."""
        return self._environment.settings.get(trait.variable, "")

    # ---- the gateway

    @property
    def is_gateway_configured(self) -> bool:
        """Whether the user configured the gateway, or that there is none."""
        return self.gateway_host is not None

    async def choose_gateway(self, api: WorkspaceApi, token: Secret) -> bool:
        """Choose the gateway, probing the workspace with ``token`` if need be; never raises.

        Return whether it answered: if not, the choice so far stands, and this may be called again.
        """
        if self.is_gateway_configured:
            return True
        try:
            self.use_gateway(await find_gateway(self._environment, api, token))
        except UNANSWERED as error:
            self.log.warning(
                "Could not look up the AI Gateway: %s Models are called through %s for now.",
                error.message,
                self.gateway.kind,
            )
            return False
        return True

    def use_gateway(self, gateway: Gateway) -> None:
        """Call models through a gateway from now on."""
        if gateway != self.gateway:
            self.gateway = gateway
            self.log.info("Models are called through %s: %s", gateway.kind, gateway.reason)
            self.on_change.notify()

    def without_gateway(self, reason: str) -> Gateway:
        """Return the serving endpoints."""
        return Gateway.at(GatewayKind.SERVING_ENDPOINTS, self._environment.host, reason)

    def _gateway_before_asking(self) -> Gateway:
        if self.gateway_host:
            return explicit_gateway(self.gateway_host)
        if self.gateway_host is None:
            return self.without_gateway("The workspace's AI Gateway has not been looked up yet.")
        return self.without_gateway("The gateway's address is set to be empty.")

    # ---- the models

    async def discover(self, api: WorkspaceApi, token: Secret) -> bool:
        """List what is served and put it in force; return whether that worked.  Never raises."""
        through_gateway = self.gateway.kind is not GatewayKind.SERVING_ENDPOINTS
        try:
            served = await discover(api, token, through_gateway=through_gateway)
        except WorkspaceError as error:
            self.log.info("Could not list the served models: %s", error.message)
            return False
        was_complete = self.served.is_known and not self.served.is_partial
        if (served.is_partial and was_complete) or (self.served.is_known and not served.is_known):
            self.log.info("Not all of the served models could be listed; the last list stands.")
            return False
        self.use_served(served)
        return not served.is_partial

    def use_served(self, served: ServedModels) -> None:
        """Put in force what is served; one warning names everything that is not."""
        if served == self.served and self._was_listed:
            return
        self.served, self._was_listed = served, True
        for name in self._model_traits:
            setattr(self, name, self._in_force(name))
        problems = [report["problem"] for report in self.reports().values() if report["problem"]]
        if problems:
            self.log.warning("%s", " ".join(dict.fromkeys(problems)))
        self.on_change.notify()

    def dialect_of(self, model: str, *spoken: Dialect) -> Dialect:
        """Return the dialect in which an agent that speaks some calls a model: its native one.

        Where the workspace does not serve it in that, or the agent does not speak it: the first
        of the agent's in which the model is served, else the agent's first.
        """
        native = family_of(model).dialect
        served = self.served.dialects.get(model)
        candidates = (native, *spoken) if native in spoken else spoken
        return next((d for d in candidates if served is None or d in served), candidates[0])

    def stand_in(self, name: str, dialect: Dialect) -> str:
        """Return the model that is called for a name: for a vendor's, which the workspace does not
        serve, the nearest of its family that it does.

        Sub-agents, skills and the settings of cloned repositories have such names.  One of the
        platform's, of a service of somebody's own, or that somebody configured, stays.
        """
        plain = without_window_mark(name)
        is_known = self.served.is_known and not self.served.is_partial
        is_chosen = plain in self.served.dialects or plain in self.configured.values()
        if not is_known or is_chosen or not is_vendors(plain):
            return plain
        near = nearest(plain, self.served.speaking(dialect))
        if near and plain not in self.stand_ins and len(self.stand_ins) < MOST_NAMES:
            self.stand_ins[plain] = near
            self.log.warning("The workspace does not serve %s; %s is called instead.", plain, near)
        return near or plain

    def served_names(self, *dialects: Dialect) -> list[str]:
        """Return what is served in any of these dialects; of a model with two names, the first.

        The platform's own name for an endpoint goes before that in Unity Catalog.
        """
        names = {name for dialect in dialects for name in self.served.speaking(dialect)}
        by_stem = {parse_name(name).stem: name for name in sorted(names, reverse=True)}
        return sorted(by_stem.values())

    def reports(self) -> dict[str, ModelReport]:
        """Return what is known of the model of each trait."""
        return {
            name: self.report(getattr(self, name), self.configured[name], trait.dialect)
            for name, trait in self._model_traits.items()
        }

    def as_configured(self) -> ModelTable:
        """Return a table of the configured models, with nothing known of what is served."""
        table = ModelTable(self._environment, **self.configured)
        table.chosen = self.chosen
        return table

    def report(self, model: str, configured: str, *dialects: Dialect) -> ModelReport:
        """Return what is known of a model that an agent calls in one of some dialects."""
        others = sorted({name for d in dialects for name in self.served.speaking(d)})
        is_known = self.served.is_known
        served = model in others
        near = alternatives(configured, others)[:MOST_ALTERNATIVES]
        is_sure = is_known and (served or not self.served.is_partial)
        family = family_of(model)
        return {
            "model": model,
            "configured": configured,
            "served": served if is_sure else None,
            "alternatives": near if is_known else [],
            "problem": _problem(model, configured, served, near) if is_sure else "",
            "context_tokens": family.context_tokens,
            "output_tokens": family.output_tokens,
            "sees_images": family.sees_images,
            "efforts": list(family.efforts),
        }

    def _in_force(self, name: str) -> str:
        """Return the configured model, or the replacement of a default that is not served."""
        wanted = self.configured[name]
        if self._was_listed and not self.served.is_known and self._is_own_service_for_all(name):
            return self.configured["anthropic_model"]
        others = self.served.speaking(self._model_traits[name].dialect)
        if name in self.chosen or wanted in others or not others:
            return wanted
        nearest = alternatives(wanted, others)
        main = self.anthropic_model
        if (
            name in SIDE_MODELS
            and main in others
            and parse_name(nearest[0]).family != parse_name(wanted).family
        ):
            return main
        return nearest[0]

    def _is_own_service_for_all(self, name: str) -> bool:
        main = self.configured["anthropic_model"]
        is_default = name in FOLLOWERS and name not in self.chosen
        return is_default and "anthropic_model" in self.chosen and not is_platforms(main)


def _problem(model: str, configured: str, served: bool, near: list[str]) -> str:
    if served:
        if model == configured:
            return ""
        return f"The workspace does not serve {configured}; {model} is used instead."
    if not near:
        return f"The workspace serves neither {configured} nor a model to replace it."
    return f"The workspace does not serve {configured}. It serves {', '.join(near)}."
