"""A person with a browser: goes through the emulator's pages, form by form, without running any script."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

SECONDS = 10


class Stuck(Exception):
    """The way ended at a page. The text is what stands on it."""


def approve(url: str, user: str) -> str:
    """Signs `user` in, accepts what is asked, and gives the URL that the browser is sent back to."""
    session = requests.Session()
    answer = session.get(url, timeout=SECONDS, allow_redirects=False)
    for _ in range(5):
        if answer.is_redirect:
            return answer.headers["Location"]
        page = _Page(answer.text)
        if page.form is None:
            break
        pressed = page.users.get(user) or page.buttons.get("accept") or page.buttons.get("next")
        answer = session.post(
            urljoin(answer.url, page.form), data=page.hidden | (pressed or {}), timeout=SECONDS, allow_redirects=False
        )
    raise Stuck(" ".join(_Page(answer.text).text))


def approve_device(url: str, user_code: str, user: str) -> None:
    """Types the code in at `url`, and lets the device in as `user`."""
    session = requests.Session()
    answer = session.get(url, timeout=SECONDS)
    for _ in range(5):
        page = _Page(answer.text)
        if page.form is None:
            return
        data = dict(page.hidden)
        if "user_code" in page.fields:
            data["user_code"] = user_code
        pressed = page.users.get(user) or page.buttons.get("accept") or page.buttons.get("next") or {}
        answer = session.post(urljoin(answer.url, page.form), data=data | pressed, timeout=SECONDS)
    raise Stuck(" ".join(page.text))


class _Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.form, self.hidden, self.fields, self.buttons, self.users, self.text = None, {}, set(), {}, {}, []
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self._silent = tag == "style"
        if tag == "form":
            self.form = found.get("action")
        elif tag == "input" and found.get("type") == "hidden":
            self.hidden[found["name"]] = found.get("value", "")
        elif tag == "input":
            self.fields.add(found.get("name"))
        elif tag == "button":
            pressed = {found["name"]: found.get("value", "")} if "name" in found else {}
            if "data-user" in found:
                self.users[found["data-user"]] = pressed
            elif "id" in found:
                self.buttons[found["id"]] = pressed

    def handle_data(self, data):
        if not self._silent:
            self.text += data.split()
