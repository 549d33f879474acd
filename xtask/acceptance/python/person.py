"""A user with a browser, who goes through the emulator's pages form by form and runs no script.

As a program it reads {"do": NAME, ...} from its standard input, carries out the function of that name with the other
members as arguments, and prints its result as JSON.
"""

import json
import sys
import uuid
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

SECONDS = 30
"""How long a response may take. The machine may be busy."""

MOST_PAGES = 6


class Stuck(Exception):
    """The sign-in ended at a page. The text is what stands on it."""


def approve(url: str, user: str) -> dict:
    """Signs `user` in, consents, and returns the parameters that the app gets, by redirect or by form."""
    target, fields = _to_app(url, user)
    return dict(fields or parse_qsl(urlsplit(target).query))


def browse(url: str, user: str) -> str:
    """Does the same and goes on to the app, which listens on loopback."""
    target, fields = _to_app(url, user)
    answer = requests.post(target, data=fields, timeout=SECONDS) if fields else requests.get(target, timeout=SECONDS)
    return answer.text


def device(url: str, code: str, user: str) -> None:
    """Types `code` in at `url` and signs the device in as `user`."""
    session = requests.Session()
    answer = session.get(url, timeout=SECONDS)
    for _ in range(MOST_PAGES):
        page = _Page(answer.text)
        if page.form is None:
            return
        typed = {"user_code": code} if "user_code" in page.fields else {}
        answer = session.post(urljoin(answer.url, page.form), data=page.pressed(user) | typed, timeout=SECONDS)
    raise Stuck(" ".join(page.text))


def code(host: str, settings: dict, path: str = "oauth2/v2.0/authorize", **parameters) -> str:
    """An authorization code for the app with a secret."""
    asked = {"client_id": settings["secret_app"], "response_type": "code", "redirect_uri": settings["redirect"]}
    url = f"{host}/{settings['tenant']}/{path}?{urlencode(asked | parameters)}"
    return approve(url, settings["user"])["code"]


def token(host: str, settings: dict, scope: str) -> str:
    """A user's access token, as a caller of an API brings it along."""
    request = {
        "grant_type": "authorization_code",
        "client_id": settings["secret_app"],
        "client_secret": settings["secret"],
        "redirect_uri": settings["redirect"],
        "code": code(host, settings, scope=scope, state=str(uuid.uuid4())),
        "scope": scope,
    }
    answer = requests.post(f"{host}/{settings['tenant']}/oauth2/v2.0/token", data=request, timeout=SECONDS).json()
    return answer["access_token"]


def _to_app(url, user):
    """Where the pages lead to, and the fields of the form that is sent there, if any."""
    session = requests.Session()
    answer = session.get(url, timeout=SECONDS, allow_redirects=False)
    for _ in range(MOST_PAGES):
        if answer.is_redirect:
            return answer.headers["Location"], None
        page = _Page(answer.text)
        if page.form is None:
            break
        target = urljoin(answer.url, page.form)
        if urlsplit(target).netloc != urlsplit(url).netloc:
            return target, page.hidden
        answer = session.post(target, data=page.pressed(user), timeout=SECONDS, allow_redirects=False)
    raise Stuck(" ".join(_Page(answer.text).text))


class _Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.form, self.hidden, self.fields, self.buttons, self.users, self.text = None, {}, set(), {}, {}, []
        self._silent = False
        self.feed(text)

    def pressed(self, user):
        """What the form sends after a click on the user, on `Accept` or on `Next`."""
        button = self.users.get(user) or self.buttons.get("accept") or self.buttons.get("next") or {}
        return self.hidden | button

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


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    print(json.dumps(globals()[wanted.pop("do")](**wanted)))
