"""From a click on "Sign out" to a 401 in every API process."""

import logging
import threading
import time
from pathlib import Path

from tests import plain, stack
from tests.e2e.person import Newcomer
from tests.waiting import PATIENCE

log = logging.getLogger(__name__)

VIEWER = {"query": "{ viewer { id } }"}
SIGN_OUTS = 2


class Watch(threading.Thread):
    """Sends requests with a token to one process until the token is rejected."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self.answered = threading.Event()
        self.last = 0
        self.refused_at = 0.0

    def run(self) -> None:
        """Send requests until the token is rejected, but for at most `PATIENCE` seconds.

        While the browser is slow, these requests use up the quota of the user. The API then answers
        429 until the token is rejected.
        """
        deadline = time.monotonic() + PATIENCE
        with plain.Client(headers=self._headers) as client:
            while self.last in {0, 200, 429} and time.monotonic() < deadline:
                self.last = client.post(f"{self._url}/graphql", json=VIEWER).status_code
                self.answered.set()
        self.refused_at = time.monotonic()


def test_sign_out_is_a_401_in_both_processes_within_a_second(
    site: stack.Site, newcomer: Newcomer, tmp_path: Path
) -> None:
    second = stack.api(tmp_path, site.env, "--no-migrate")
    late = []
    try:
        for number in range(SIGN_OUTS):
            ada = newcomer(site)
            ada.has_an_account()
            fetch = "fetch('/api/auth/token').then(r => r.json()).then(r => r.token)"
            token = ada.page.evaluate(fetch)
            watches = [Watch(url, token) for url in (site.api.url, second.url)]
            for watch in watches:
                watch.start()
                assert watch.answered.wait(PATIENCE)
            ada.page.get_by_role("button", name=f"Account: {ada.email}").click()
            clicked = time.monotonic()
            with ada.page.expect_response("**/sign-out"):
                ada.clicks("Sign out", "menuitem")
            answered = time.monotonic()
            for watch in watches:
                watch.join()
            spans = [round((watch.refused_at - clicked) * 1000) for watch in watches]
            log.info("sign-out %d: refused %s ms after the click", number, spans)
            assert [watch.last for watch in watches] == [401, 401]
            late.append(max(watch.refused_at for watch in watches) - answered)
            ada.is_at("/sign-in")
    finally:
        second.stop()
    assert min(late) < 1, "a busy machine may delay some of them"
