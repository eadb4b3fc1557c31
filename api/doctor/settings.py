"""The settings that the doctor reads."""

import re

from pydantic import Field

from api.config import Config, HttpUrl


class Settings(Config):
    """The settings of the API, and one of the web app."""

    events_url: HttpUrl | None = Field(
        None,
        description="where the web app's server reaches the API's /events",
        examples=["http://api:8000/events"],
    )

    @property
    def pushed_to(self) -> str:
        """The URL to which a web app with these settings pushes security events.

        Like the web app, replace `localhost` by 127.0.0.1, where the API listens by default.
        """
        near = re.sub(r"^http://localhost(?=:|$)", "http://127.0.0.1", self.api_url)
        return self.events_url or f"{near}/events"
