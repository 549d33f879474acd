"""Runs the clients for Python, and the requests of the clients for Go, against the emulator.

Usage: drive.py SETTINGS CLIENT...     the emulator's address stands in AZURE_AUTHORITY_HOST

Prints a line of JSON for each client {"client", "version"} and for each case {"client", "case"} with one of "token",
"refused" (and "behind") and "failed", and the client assertions that were sent. `judge.py` reads them.
"""

import json
import os
import sys
import webbrowser
from functools import partial
from pathlib import Path
from threading import Thread

import client_adal
import client_azure
import client_msal
import go_autorest
import go_msal
import loopback
import person
from refused import Refused


def main(path: str, names: list):
    host, settings = os.environ["AZURE_AUTHORITY_HOST"], json.loads(Path(path).read_text())
    loopback.stay()
    # The clients open the browser first and listen to it afterwards.
    browser = partial(person.browse, user=settings["user"])
    webbrowser.open = lambda url, *_: Thread(target=browser, args=[url], daemon=True).start() or True
    webbrowser.get = lambda *_: webbrowser
    for name, version, cases in [
        ("adal", client_adal.VERSION, client_adal.cases(host, settings)),
        ("msal", client_msal.VERSION, client_msal.cases(host, settings)),
        ("az-id", client_azure.VERSION, client_azure.cases(host, settings, is_async=False)),
        ("az-aio", client_azure.VERSION + " (aio)", client_azure.cases(host, settings, is_async=True)),
        ("msal-go", go_msal.VERSION, go_msal.cases(host, settings)),
        ("adal-go", go_autorest.VERSION, go_autorest.cases(host, settings)),
    ]:
        if name not in names:
            continue
        tell(client=name, version=version)
        for case, run in cases.items():
            tell(client=name, case=case, **outcome(run))


def outcome(run) -> dict:
    loopback.refused.clear()
    loopback.assertions.clear()
    try:
        found = {"token": run()}
    except Refused as refusal:
        found = {"refused": refusal.text, "behind": refusal.behind}
    # Anything else that a client raises is a finding.
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"}
    if loopback.refused:
        found = {"failed": f"it asked for {', '.join(loopback.refused)}"}
    return found | {"assertions": list(loopback.assertions)}


def tell(**line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
