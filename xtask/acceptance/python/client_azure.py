"""azure-identity for Python, its blocking and its asynchronous half. Each credential is a class of its own."""

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

import azure.identity
import azure.identity.aio
from azure.core.exceptions import ClientAuthenticationError

import issuer
import person
from refused import Refused

VERSION = "azure-identity " + azure.identity.__version__

# It logs what it raises.
logging.getLogger("azure").setLevel(logging.CRITICAL)
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def cases(host, settings, is_async):
    s = settings
    ours, strange, borrowed = (s["keys"][name] for name in ("ours", "strange", "borrowed"))
    graph, orders = s["graph"] + "/.default", s["orders"] + "/.default"
    user_graph, user_orders = s["graph"] + "/User.Read", s["orders"] + "/Orders.Use"
    classes = azure.identity.aio if is_async else azure.identity

    def token(credential, *scopes, claims=None, enable_cae=False):
        options = {"claims": claims, "enable_cae": enable_cae} if claims else {}
        try:
            if is_async:
                return asyncio.run(_token(credential, scopes, options)).token
            with credential() as open_credential:
                return open_credential.get_token(*scopes, **options).token
        except ClientAuthenticationError as error:
            raise Refused.by(error) from error

    def credential(name, tenant=s["tenant"], **members):
        return partial(
            getattr(classes, name),
            tenant_id=tenant,
            authority=host,
            disable_instance_discovery=True,
            connection_timeout=person.SECONDS,
            read_timeout=person.SECONDS,
            retry_total=0,
            **members,
        )

    def secret(*scopes, app=s["secret_app"], secret=s["secret"], tenant=s["tenant"], **options):
        found = credential("ClientSecretCredential", tenant, client_id=app, client_secret=secret)
        return partial(token, found, *(scopes or [graph]), **options)

    def certificate(path, **options):
        found = credential(
            "CertificateCredential", client_id=s["certificate_app"], certificate_path=path, **options
        )
        return partial(token, found, graph)

    def assertion(text):
        found = credential("ClientAssertionCredential", client_id=s["certificate_app"], func=lambda: text)
        return partial(token, found, graph)

    def job(**options):
        ask = partial(issuer.of_job, **options)
        return partial(token, credential("ClientAssertionCredential", client_id=s["federated_app"], func=ask), graph)

    def pipeline():
        found = credential(
            "AzurePipelinesCredential",
            client_id=s["federated_app"],
            service_connection_id=os.environ["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"],
            system_access_token=os.environ["SYSTEM_ACCESSTOKEN"],
        )
        return token(found, graph)

    def code_credential(code):
        return credential(
            "AuthorizationCodeCredential",
            client_id=s["secret_app"],
            client_secret=s["secret"],
            authorization_code=code,
            redirect_uri=s["redirect"],
        )

    def code():
        return person.code(host, s, scope=user_orders + " offline_access", state="a-state")

    def code_twice():
        code_ = code()
        token(code_credential(code_), user_orders)
        return token(code_credential(code_), user_orders)

    def on_behalf_of(scope=user_orders, **proof):
        caller = person.token(host, s, scope)
        found = credential("OnBehalfOfCredential", client_id=s["orders_app"], user_assertion=caller, **proof)
        return token(found, user_graph)

    def device():
        found = credential(
            "DeviceCodeCredential",
            client_id=s["public_app"],
            prompt_callback=lambda url, code, _: person.device(url, code, s["user"]),
        )
        return token(found, user_graph)

    by_pfx = {"path": ours["pfx"], "password": s["pfx_password"]}
    workload = credential(
        "WorkloadIdentityCredential", client_id=s["certificate_app"], token_file_path=s["assertion_file"]
    )
    cluster = credential(
        "WorkloadIdentityCredential", client_id=s["federated_app"], token_file_path=s["cluster_file"]
    )
    both = {
        "secret": secret(),
        "secret, own API": secret(orders),
        "secret, double slash": secret(s["graph"] + "//.default"),
        "secret, GUID": secret(s["graph_app"] + "/.default"),
        "secret, odd characters": secret(secret=s["odd_secret"]),
        "tenant by domain": secret(tenant=s["domain"]),
        "capabilities, claims": secret(
            orders, enable_cae=True, claims='{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
        ),
        "certificate x5c": certificate(ours["pem"], send_certificate_chain=True),
        "certificate PFX": certificate(**by_pfx),
        "certificate PFX x5c": certificate(**by_pfx, send_certificate_chain=True),
        "assertion": assertion(s["assertion"]),
        "assertion, malformed": assertion(s["malformed_assertion"]),
        "federated assertion": assertion(s["federated_assertion"]),
        "workload identity file": partial(token, workload, graph),
        "federated, job": job(),
        "federated, subject": job(subject="repo:contoso/app:pull_request"),
        "federated, audience": job(audience="api://other"),
        "federated, pipeline": pipeline,
        "federated, cluster": partial(token, cluster, graph),
        "wrong secret": secret(secret=s["wrong_secret"]),
        "secret's id": secret(secret=s["secret_id"]),
        "expired secret": secret(secret=s["expired_secret"]),
        "unknown tenant": secret(tenant=s["unknown_tenant"]),
        "app not in tenant": secret(app=s["other_app"]),
        "unknown app": secret(app=s["unknown_app"]),
        "unknown resource": secret(s["unknown_api"] + "/.default"),
        "scope without .default": secret(s["graph"] + "/User.Read.All"),
        "two resources": secret(graph, orders),
        "another key": certificate(borrowed["pem"]),
        "auth code": lambda: token(code_credential(code()), user_orders),
        "code twice": code_twice,
        "on-behalf-of": lambda: on_behalf_of(client_secret=s["secret"]),
        "on-behalf-of, certificate": lambda: on_behalf_of(client_certificate=Path(ours["pem"]).read_bytes()),
        "on-behalf-of, assertion": lambda: on_behalf_of(client_assertion_func=lambda: s["orders_assertion"]),
        "on-behalf-of, not for me": lambda: on_behalf_of(user_graph, client_secret=s["secret"]),
    }
    if is_async:
        return both | {
            "certificate SHA-256": certificate(ours["pem"]),
            "unknown thumbprint SHA-256": certificate(strange["pem"]),
        }
    browser = credential("InteractiveBrowserCredential", client_id=s["public_app"], timeout=person.SECONDS)
    return both | {
        "certificate SHA-1": certificate(ours["pem"]),
        "unknown thumbprint": certificate(strange["pem"]),
        "device code": device,
        "browser on loopback": partial(token, browser, user_graph),
    }


async def _token(credential, scopes, options):
    async with credential() as open_credential:
        return await open_credential.get_token(*scopes, **options)
