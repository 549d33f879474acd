"""Has PyJWT and fastapi-azure-auth judge the tokens of the corpus, each set up as its documentation shows.

Usage: corpus.py CORPUS VALIDATOR...

Prints lines of JSON: the version of a validator, and its verdict on each token. The verdict is `accept`, the status of the
response, or `reject` where the validator has no statuses.
"""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import fastapi
import fastapi_azure_auth
import httpx2
import jwt
from fastapi_azure_auth.exceptions import ForbiddenHttp
from fastapi_azure_auth.user import User
from freezegun import freeze_time

import loopback


class Corpus:
    def __init__(self, path: Path):
        content = json.loads(path.read_text())
        self.now, self.leeway, self.apis = content["now"], content["leeway"], content["apis"]
        self.documents = content["documents"]
        self.tokens = [(token["name"], token["api"], text(token["token"])) for token in content["tokens"]]

    def metadata(self, api: dict) -> list:
        """The metadata of each version of tokens that the API takes; that of version 2 is the last."""
        return [self.documents[url] for _, url in sorted(api["metadata"].items())]

    def issuers(self, api: dict) -> list | None:
        """The issuers of the API's tenants, or none where any may call: an issuer cannot be left open in part."""
        if api["tenants"] is None:
            return None
        templates = [document["issuer"] for document in self.metadata(api)]
        return [template.replace("{tenantid}", tenant) for template in templates for tenant in api["tenants"]]


def text(pieces: list) -> str:
    return "".join(piece if isinstance(piece, str) else piece["repeat"] * piece["times"] for piece in pieces)


class Keys(jwt.PyJWKClient):
    """Fetches the keys from the corpus."""

    def __init__(self, corpus: Corpus, url: str):
        super().__init__(url)
        self.document = corpus.documents[url]

    def fetch_data(self):
        return self.document


async def by_pyjwt(corpus: Corpus):
    """https://pyjwt.readthedocs.io/en/stable/usage.html: keys from a JWKS endpoint, issuer, audience, leeway, `require`."""
    for name, api, token in corpus.tokens:
        api = corpus.apis[api]
        keys = Keys(corpus, corpus.metadata(api)[-1]["jwks_uri"])
        try:
            jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                audience=api["audiences"],
                issuer=corpus.issuers(api),
                leeway=corpus.leeway,
                options={"require": ["exp"]},
            )
            yield name, "accept"
        except jwt.PyJWTError:
            yield name, "reject"


def scheme(corpus: Corpus, api: dict) -> fastapi_azure_auth.auth.AzureAuthorizationCodeBearerBase:
    """The scheme for the kind of API, from the pages `single-tenant`, `multi-tenant` and `b2c` of the documentation."""

    def fetch(request: httpx2.Request) -> httpx2.Response:
        document = dict(corpus.documents[str(request.url)])
        if "keys" in document:
            # It reads no set that has a key of another type, and then rejects every token.
            document["keys"] = [key for key in document["keys"] if key["kty"] == "RSA"]
        return httpx2.Response(200, json=document)

    common = {
        "app_client_id": api["audiences"][0],
        "leeway": corpus.leeway,
        "http_client_config": {"transport": httpx2.MockTransport(fetch)},
    }
    url, tenants = api["metadata"]["2.0"], api["tenants"]
    if tenants is None:
        return fastapi_azure_auth.MultiTenantAzureAuthorizationCodeBearer(validate_iss=False, **common)
    if "/common/" not in url and url.startswith("https://login.microsoftonline.com/"):
        return fastapi_azure_auth.SingleTenantAzureAuthorizationCodeBearer(tenant_id=tenants[0], **common)
    template = corpus.documents[url]["issuer"]
    issuers = {tenant: template.replace("{tenantid}", tenant) for tenant in tenants}

    async def issuer_of(tid: str) -> str:
        try:
            return issuers[tid]
        except KeyError:
            raise fastapi.HTTPException(401, "this tenant may not call") from None

    if "/common/" in url:
        return fastapi_azure_auth.MultiTenantAzureAuthorizationCodeBearer(iss_callable=issuer_of, **common)
    return fastapi_azure_auth.B2CMultiTenantAuthorizationCodeBearer(
        openid_config_url=url, iss_callable=issuer_of, **common
    )


def application(corpus: Corpus, api: dict) -> fastapi.FastAPI:
    """A web API with the dependency of the page `locking_down_on_roles`, for scopes and roles."""
    app = fastapi.FastAPI()
    authenticated = scheme(corpus, api)

    async def permitted(user: User = fastapi.Depends(authenticated)) -> None:
        if not set(user.scp) & set(api["scopes"]) and not set(user.roles) & set(api["roles"]):
            raise ForbiddenHttp("the permission is missing")

    @app.get("/", dependencies=[fastapi.Depends(permitted)])
    async def answer():
        return "accepted"

    return app


async def by_fastapi_azure_auth(corpus: Corpus):
    applications = {name: application(corpus, api) for name, api in corpus.apis.items()}
    for name, api, token in corpus.tokens:
        transport = httpx2.ASGITransport(app=applications[api])
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            response = await client.get("/", headers={"authorization": f"Bearer {token}"})
        yield name, "accept" if response.is_success else str(response.status_code)


VALIDATORS = {
    "pyjwt": (f"PyJWT {jwt.__version__}", by_pyjwt),
    "fastapi": (f"fastapi-azure-auth {fastapi_azure_auth.__version__}", by_fastapi_azure_auth),
}


async def main(corpus: Corpus, names: list):
    for validator in names:
        version, judge = VALIDATORS[validator]
        print(json.dumps({"validator": validator, "version": version}))
        async for token, verdict in judge(corpus):
            print(json.dumps({"validator": validator, "token": token, "verdict": verdict}))


if __name__ == "__main__":
    loopback.stay()
    # It logs every token that it rejects.
    logging.disable()
    corpus = Corpus(Path(sys.argv[1]))
    with freeze_time(datetime.fromtimestamp(corpus.now, UTC), real_asyncio=True):
        asyncio.run(main(corpus, sys.argv[2:]))
