"""Who the owner is: named by configuration, or the creator of the app, looked up until known.

Invariants
- It never fails open: until the owner is known, nobody may enter.
- Nothing that a visitor does (such as pasting a token first) makes them the owner.
- An owner once known stays: the creator of an app never changes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from traitlets import Float
from traitlets.config import LoggingConfigurable

from ..addresses import normalise_email
from ..background import BackgroundTasks, backoff_seconds
from ..environment import Environment
from ..errors import ConfigurationError, DbxAgentsError, WorkspaceUnavailableError
from ..workspace_api import WorkspaceApi

CreatorLookUp = Callable[[], Awaitable[str]]
SET_OWNER_HINT = "Set APP_OWNER_EMAIL to the owner's e-mail address in the app's environment."


def creator_look_up(api: WorkspaceApi, environment: Environment) -> CreatorLookUp:
    """Return the look-up of the app's creator, made as the app's own service principal."""

    async def look_up() -> str:
        if not (environment.client_id and environment.client_secret):
            raise ConfigurationError(
                "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET are not set, so the app's"
                " creator cannot be looked up.",
                SET_OWNER_HINT,
            )
        return await api.app_creator(
            environment.app_name, environment.client_id, environment.client_secret
        )

    return look_up


class OwnerResolver(LoggingConfigurable):
    """Looks up the owner and remembers it.

    ``owner`` is lower-case, None until known; ``message`` says why it is not known, for logs and
    the command line, never for strangers.
    """

    first_retry_seconds = Float(
        1.0, help="Pause in seconds after the first failed look-up; then doubled."
    ).tag(config=True)
    longest_retry_seconds = Float(60.0, help="Longest pause in seconds between look-ups.").tag(
        config=True
    )

    def __init__(
        self,
        look_up: CreatorLookUp,
        *,
        override: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        **kwargs: object,
    ) -> None:
        """Take the look-up, and the configured owner, if any (then nothing is looked up).

        Raises ConfigurationError if ``override`` can never equal an address from the proxy.
        """
        super().__init__(**kwargs)
        self.owner: str | None = None
        self.message = "The owner of this app is being looked up."
        self._look_up = look_up
        self._sleep = sleep
        self._jitter = jitter
        self._known = asyncio.Event()
        self._tasks = BackgroundTasks(self.log)
        if override.strip():
            self._settle(_configured_owner(override))

    def start(self) -> None:
        """Look up in the background of the running event loop, while the server listens."""
        self._tasks.spawn(self.run())

    async def stop(self) -> None:
        """End the look-up; it may never have started."""
        await self._tasks.stop()

    async def wait(self) -> str:
        """Wait until the owner is known and return it."""
        await self._known.wait()
        return self.owner or ""

    async def run(self) -> None:
        """Look up until the owner is known, for ever, with back-off."""
        failures = 0
        while self.owner is None:
            pause_seconds = await self._attempt(failures)
            failures += 1
            if self.owner is None:
                await self._sleep(pause_seconds)

    async def _attempt(self, failures: int) -> float:
        """Look up once; return the seconds to wait before the next try, if one is needed."""
        try:
            creator = await self._look_up()
        except WorkspaceUnavailableError as error:
            self._report(error)
            asked = min(error.retry_after_seconds, self.longest_retry_seconds)
            return max(asked, self._backoff_seconds(failures))
        except Exception as error:  # if this loop ended, nobody could ever enter
            self.log.debug("Looking up the owner failed", exc_info=True)
            self._report(error)
            return self._backoff_seconds(failures)
        owner = normalise_email(creator)
        if owner is None:
            self._report(_no_person_error(creator))
            return self.longest_retry_seconds
        self._settle(owner)
        return 0.0

    def _backoff_seconds(self, failures: int) -> float:
        """Return the back-off, shortened at random by up to half (apps restart together)."""
        full = backoff_seconds(failures, self.first_retry_seconds, self.longest_retry_seconds)
        return full * (1.0 - self._jitter() / 2)

    def _report(self, error: Exception) -> None:
        """Store and log why the owner is unknown, once per reason and not once per look-up."""
        if isinstance(error, DbxAgentsError):
            reason = f"{error.message} {error.hint}".strip()
        else:
            reason = f"The look-up failed ({type(error).__name__})."
        message = f"The owner of this app is not known, nobody can enter: {reason}"
        if message != self.message:
            self.log.warning("%s", message)
            self.message = message

    def _settle(self, owner: str) -> None:
        self.owner = owner
        self.message = ""
        self._known.set()
        self.log.info("The owner of this app is %s; nobody else can enter.", owner)


def _configured_owner(text: str) -> str:
    owner = normalise_email(text)
    if owner is None:
        raise ConfigurationError(
            f"APP_OWNER_EMAIL (or OwnerIdentityProvider.owner) is {text!r}, which is not an"
            " e-mail address in plain ASCII.",
            "Set it to one address, such as jane@example.com, or remove it.",
        )
    return owner


def _no_person_error(creator: str) -> ConfigurationError:
    """Return the error for a creator who cannot sign in (an app made by CI or a bundle)."""
    if not creator:
        return ConfigurationError("The workspace does not name the app's creator.", SET_OWNER_HINT)
    return ConfigurationError(
        f"The app was created by {creator!r}, which is not an e-mail address"
        " (probably a service principal).",
        SET_OWNER_HINT,
    )
