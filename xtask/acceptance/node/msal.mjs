// MSAL for Node.
import { readFileSync } from "node:fs";

import { ConfidentialClientApplication, CryptoProvider, PublicClientApplication } from "@azure/msal-node";

import { ofJob } from "./issuer.mjs";
import { person } from "./person.mjs";
import { Refused } from "./refused.mjs";

export function cases(host, s) {
  const { ours, strange, borrowed } = s.keys;
  const [graph, orders] = [s.graph + "/.default", s.orders + "/.default"];
  const [userGraph, userOrders] = [s.graph + "/User.Read", s.orders + "/Orders.Use"];
  const bySecret = { clientSecret: s.secret };

  function auth(clientId, proof, tenant = s.tenant) {
    const authority = `${host}/${tenant}`;
    return { auth: { clientId, authority, knownAuthorities: [new URL(host).host], ...proof } };
  }

  async function token(response) {
    try {
      return (await response).accessToken;
    } catch (error) {
      throw Refused.by(error);
    }
  }

  function appOnly(proof, { app = s.secret_app, scopes = [graph], tenant, claims } = {}) {
    const ask = async () => {
      const client = new ConfidentialClientApplication(auth(app, proof, tenant));
      return client.acquireTokenByClientCredential({ scopes, claims });
    };
    return () => token(ask());
  }

  function secret(value = s.secret, more = {}) {
    return appOnly({ clientSecret: value }, more);
  }

  function by(proof) {
    return appOnly(proof, { app: s.certificate_app });
  }

  function federated(clientAssertion) {
    return appOnly({ clientAssertion }, { app: s.federated_app });
  }

  function certificate(key, members) {
    return { clientCertificate: { privateKey: key.private, ...members } };
  }

  function sha1(key) {
    return certificate(key, { thumbprint: key.sha1 });
  }

  function sha256(key, more = {}) {
    return certificate(key, { thumbprintSha256: key.sha256, ...more });
  }

  /** A client and the way to redeem a code of its own. */
  async function byCode(app, proof) {
    const client = new ConfidentialClientApplication(auth(app, proof));
    const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
    const asked = { scopes: [userOrders], redirectUri: s.redirect };
    const url = await client.getAuthCodeUrl({ ...asked, codeChallenge: challenge, codeChallengeMethod: "S256" });
    const { code } = await person(s, "approve", { url, user: s.user });
    return { client, redeem: () => client.acquireTokenByCode({ ...asked, code, codeVerifier: verifier }) };
  }

  async function code(app, proof) {
    return token((await byCode(app, proof)).redeem());
  }

  async function codeTwice() {
    const { redeem } = await byCode(s.secret_app, bySecret);
    await redeem();
    return token(redeem());
  }

  function refresh(scope) {
    return async () => {
      const { client, redeem } = await byCode(s.secret_app, bySecret);
      const { account } = await redeem();
      return token(client.acquireTokenSilent({ account, scopes: [scope], forceRefresh: true }));
    };
  }

  function garbage() {
    const client = new ConfidentialClientApplication(auth(s.secret_app, bySecret));
    return token(client.acquireTokenByRefreshToken({ refreshToken: "garbage", scopes: [userGraph] }));
  }

  function onBehalfOf(proof, { scope = userOrders, caller } = {}) {
    return async () => {
      const client = new ConfidentialClientApplication(auth(s.orders_app, proof));
      const oboAssertion = caller ?? (await person(s, "token", { host, settings: s, scope }));
      return token(client.acquireTokenOnBehalfOf({ oboAssertion, scopes: [userGraph] }));
    };
  }

  function ofPublic(method, request) {
    return () => token(new PublicClientApplication(auth(s.public_app))[method]({ scopes: [userGraph], ...request }));
  }

  const claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}';
  return {
    "secret": secret(),
    "secret, own API": secret(s.secret, { scopes: [orders] }),
    "secret, double slash": secret(s.secret, { scopes: [s.graph + "//.default"] }),
    "secret, GUID": secret(s.secret, { scopes: [s.graph_app + "/.default"] }),
    "secret, odd characters": secret(s.odd_secret),
    "tenant by domain": secret(s.secret, { tenant: s.domain }),
    "capabilities, claims": appOnly({ ...bySecret, clientCapabilities: ["CP1"] }, { scopes: [orders], claims }),
    "certificate SHA-1": by(sha1(ours)),
    "certificate x5c": by(sha256(ours, { x5c: ours.chain })),
    "certificate SHA-256": by(sha256(ours)),
    "assertion": by({ clientAssertion: async () => s.assertion }),
    "assertion, malformed": by({ clientAssertion: s.malformed_assertion }),
    "federated assertion": by({ clientAssertion: s.federated_assertion }),
    "federated, job": federated(() => ofJob()),
    "federated, subject": federated(() => ofJob({ subject: "repo:contoso/app:pull_request" })),
    "federated, audience": federated(() => ofJob({ audience: "api://other" })),
    "federated, cluster": federated(async () => readFileSync(s.cluster_file, "utf8")),
    "wrong secret": secret(s.wrong_secret),
    "secret's id": secret(s.secret_id),
    "expired secret": secret(s.expired_secret),
    "unknown tenant": secret(s.secret, { tenant: s.unknown_tenant }),
    "app not in tenant": secret(s.secret, { app: s.other_app }),
    "unknown app": secret(s.secret, { app: s.unknown_app }),
    "unknown resource": secret(s.secret, { scopes: [s.unknown_api + "/.default"] }),
    "scope without .default": secret(s.secret, { scopes: [s.graph + "/User.Read.All"] }),
    "two resources": secret(s.secret, { scopes: [graph, orders] }),
    "unknown thumbprint": by(sha1(strange)),
    "unknown thumbprint SHA-256": by(sha256(strange)),
    "another key": by(sha1(borrowed)),
    "auth code, PKCE": () => code(s.secret_app, bySecret),
    "auth code, PKCE, cert": () => code(s.certificate_app, sha256(ours)),
    "code twice": codeTwice,
    "refresh": refresh(userOrders),
    "refresh, another API": refresh(userGraph),
    "refresh, garbage": garbage,
    "on-behalf-of": onBehalfOf(bySecret),
    "on-behalf-of, certificate": onBehalfOf(sha256(ours)),
    "on-behalf-of, assertion": onBehalfOf({ clientAssertion: s.orders_assertion }),
    "on-behalf-of, not for me": onBehalfOf(bySecret, { scope: userGraph }),
    "on-behalf-of, garbage": onBehalfOf(bySecret, { caller: "garbage" }),
    "device code": ofPublic("acquireTokenByDeviceCode", {
      deviceCodeCallback: ({ verificationUri, userCode }) =>
        person(s, "device", { url: verificationUri, code: userCode, user: s.user }),
    }),
    "browser on loopback": ofPublic("acquireTokenInteractive", {
      openBrowser: async (url) => void person(s, "browse", { url, user: s.user }),
    }),
    "password": ofPublic("acquireTokenByUsernamePassword", { username: s.user, password: "a password" }),
  };
}
