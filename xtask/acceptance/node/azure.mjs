// @azure/identity. Each credential is a class of its own.
import * as identity from "@azure/identity";
import { readFileSync } from "node:fs";

import { ofJob } from "./issuer.mjs";
import { person } from "./person.mjs";
import { Refused } from "./refused.mjs";

export function cases(host, s) {
  const { ours, strange, borrowed } = s.keys;
  const [graph, orders] = [s.graph + "/.default", s.orders + "/.default"];
  const [userGraph, userOrders] = [s.graph + "/User.Read", s.orders + "/Orders.Use"];
  const options = { authorityHost: host, disableInstanceDiscovery: true, retryOptions: { maxRetries: 0 } };

  async function token(credential, scopes, more) {
    try {
      return (await credential.getToken(scopes, more)).token;
    } catch (error) {
      throw Refused.by(error);
    }
  }

  function secret({ scopes = graph, app = s.secret_app, secret = s.secret, tenant = s.tenant, more } = {}) {
    return () => token(new identity.ClientSecretCredential(tenant, app, secret, options), scopes, more);
  }

  function certificate(given, more = {}) {
    const all = { ...options, ...more };
    return () => token(new identity.ClientCertificateCredential(s.tenant, s.certificate_app, given, all), graph);
  }

  function assertion(text) {
    return () =>
      token(new identity.ClientAssertionCredential(s.tenant, s.certificate_app, async () => text, options), graph);
  }

  function job(more) {
    const given = [s.tenant, s.federated_app, () => ofJob(more), options];
    return () => token(new identity.ClientAssertionCredential(...given), graph);
  }

  function pipeline() {
    const { AZURESUBSCRIPTION_SERVICE_CONNECTION_ID: connection, SYSTEM_ACCESSTOKEN: access } = process.env;
    const given = [s.tenant, s.federated_app, connection, access, options];
    return token(new identity.AzurePipelinesCredential(...given), graph);
  }

  function cluster() {
    const given = { tenantId: s.tenant, clientId: s.federated_app, tokenFilePath: s.cluster_file };
    return token(new identity.WorkloadIdentityCredential({ ...options, ...given }), graph);
  }

  function workload() {
    const given = { tenantId: s.tenant, clientId: s.certificate_app, tokenFilePath: s.assertion_file };
    return token(new identity.WorkloadIdentityCredential({ ...options, ...given }), graph);
  }

  function redeem(code) {
    const given = [s.tenant, s.secret_app, s.secret, code, s.redirect, options];
    return token(new identity.AuthorizationCodeCredential(...given), userOrders);
  }

  function code() {
    return person(s, "code", { host, settings: s, scope: userOrders + " offline_access", state: "a-state" });
  }

  async function codeTwice() {
    const found = await code();
    await redeem(found);
    return redeem(found);
  }

  function onBehalfOf(proof, scope = userOrders) {
    return async () => {
      const userAssertionToken = await person(s, "token", { host, settings: s, scope });
      const given = { ...options, tenantId: s.tenant, clientId: s.orders_app, userAssertionToken, ...proof };
      return token(new identity.OnBehalfOfCredential(given), userGraph);
    };
  }

  function device() {
    const userPromptCallback = ({ verificationUri, userCode }) =>
      person(s, "device", { url: verificationUri, code: userCode, user: s.user });
    const given = { ...options, tenantId: s.tenant, clientId: s.public_app, userPromptCallback };
    return token(new identity.DeviceCodeCredential(given), userGraph);
  }

  function password() {
    const given = [s.tenant, s.public_app, s.user, "a password", options];
    return token(new identity.UsernamePasswordCredential(...given), userGraph);
  }

  const claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}';
  return {
    "secret": secret(),
    "secret, own API": secret({ scopes: orders }),
    "secret, double slash": secret({ scopes: s.graph + "//.default" }),
    "secret, GUID": secret({ scopes: s.graph_app + "/.default" }),
    "secret, odd characters": secret({ secret: s.odd_secret }),
    "tenant by domain": secret({ tenant: s.domain }),
    "capabilities, claims": secret({ scopes: orders, more: { enableCae: true, claims } }),
    "certificate SHA-256": certificate(ours.pem),
    "certificate x5c": certificate(ours.pem, { sendCertificateChain: true }),
    "certificate in memory": certificate({ certificate: readFileSync(ours.pem, "utf8") }),
    "assertion": assertion(s.assertion),
    "assertion, malformed": assertion(s.malformed_assertion),
    "federated assertion": assertion(s.federated_assertion),
    "workload identity file": workload,
    "federated, job": job(),
    "federated, subject": job({ subject: "repo:contoso/app:pull_request" }),
    "federated, audience": job({ audience: "api://other" }),
    "federated, pipeline": pipeline,
    "federated, cluster": cluster,
    "wrong secret": secret({ secret: s.wrong_secret }),
    "secret's id": secret({ secret: s.secret_id }),
    "expired secret": secret({ secret: s.expired_secret }),
    "unknown tenant": secret({ tenant: s.unknown_tenant }),
    "app not in tenant": secret({ app: s.other_app }),
    "unknown app": secret({ app: s.unknown_app }),
    "unknown resource": secret({ scopes: s.unknown_api + "/.default" }),
    "scope without .default": secret({ scopes: s.graph + "/User.Read.All" }),
    "two resources": secret({ scopes: [graph, orders] }),
    "unknown thumbprint SHA-256": certificate(strange.pem),
    "another key": certificate(borrowed.pem),
    "auth code": async () => redeem(await code()),
    "code twice": codeTwice,
    "on-behalf-of": onBehalfOf({ clientSecret: s.secret }),
    "on-behalf-of, certificate": onBehalfOf({ certificatePath: ours.pem }),
    "on-behalf-of, assertion": onBehalfOf({ getAssertion: async () => s.orders_assertion }),
    "on-behalf-of, not for me": onBehalfOf({ clientSecret: s.secret }, userGraph),
    "device code": device,
    "password": password,
  };
}
