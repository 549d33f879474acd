"""Has PyJWT validate the emulator's tokens and forgeries of them, and leaves them to `node/validate.mjs`.

Usage: validate.py SETTINGS CLIENT...     the emulator's address stands in AZURE_AUTHORITY_HOST

Prints the lines that judge.py prints. A cell is `ok` where every token of a case is accepted, `rejected` where none is.
"""

import json
import os
import sys
from pathlib import Path

import jwt

import forge
import loopback


def main(path: Path):
    loopback.stay()
    cases = forge.cases(os.environ["AZURE_AUTHORITY_HOST"], json.loads(path.read_text()))
    path.with_name("tokens.json").write_text(json.dumps(cases))
    print(json.dumps({"client": "pyjwt", "version": f"PyJWT {jwt.__version__}"}))
    clients = {case["keys"]: jwt.PyJWKClient(case["keys"]) for case in cases}
    for name in dict.fromkeys(case["case"] for case in cases):
        accepted = [is_accepted(clients[case["keys"]], case) for case in cases if case["case"] == name]
        cell = "ok" if all(accepted) else "MIXED" if any(accepted) else "rejected"
        why = f"{sum(accepted)} of {len(accepted)} accepted"
        print(json.dumps({"client": "pyjwt", "case": name, "cell": cell, "why": why}))


def is_accepted(client: jwt.PyJWKClient, case: dict) -> bool:
    """Takes the key that the token names, as the library's documentation does."""
    try:
        key = client.get_signing_key_from_jwt(case["token"])
        jwt.decode(case["token"], key, algorithms=["RS256"], audience=case["audience"], issuer=case["issuer"])
    except jwt.PyJWTError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
