"""Assertions of the emulator's second issuer, as a job of GitHub Actions asks for them."""

import os

import requests

import person


def of_job(audience="api://AzureADTokenExchange", **more):
    """A new assertion: clients ask for one with each token request."""
    answer = requests.get(
        os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"],
        params={"audience": audience} | more,
        headers={"Authorization": "Bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]},
        timeout=person.SECONDS,
    )
    answer.raise_for_status()
    return answer.json()["value"]
