// adal for Node, the client of the v1 endpoints.
import adal from "adal-node";

import { person } from "./person.mjs";
import { Refused } from "./refused.mjs";

export function cases(host, s) {
  const { ours, strange, borrowed } = s.keys;

  function call(method, given, tenant = s.tenant) {
    // The cache that it takes by itself is shared, and finds tokens by client id alone.
    const context = new adal.AuthenticationContext(`${host}/${tenant}`, false, new adal.MemoryCache());
    return new Promise((resolve, reject) =>
      context[method](...given, (error, response) => (error ? reject(Refused.by(error)) : resolve(response))),
    );
  }

  function secret({ resource = s.graph, app = s.secret_app, secret = s.secret, tenant } = {}) {
    const given = [resource, app, secret];
    return async () => (await call("acquireTokenWithClientCredentials", given, tenant)).accessToken;
  }

  function certificate(key) {
    const given = [s.graph, s.certificate_app, key.private, key.sha1];
    return async () => (await call("acquireTokenWithClientCertificate", given)).accessToken;
  }

  function code() {
    const path = "oauth2/authorize";
    return person(s, "code", { host, settings: s, path, resource: s.graph, state: "a-state" });
  }

  function redeem(code) {
    return call("acquireTokenWithAuthorizationCode", [code, s.redirect, s.graph, s.secret_app, s.secret]);
  }

  async function codeTwice() {
    const found = await code();
    await redeem(found);
    return (await redeem(found)).accessToken;
  }

  function refresh(resource, given) {
    return async () => {
      const token = given ?? (await redeem(await code())).refreshToken;
      return (await call("acquireTokenWithRefreshToken", [token, s.secret_app, s.secret, resource])).accessToken;
    };
  }

  async function device() {
    const shown = await call("acquireUserCode", [s.graph, s.public_app, "en"]);
    await person(s, "device", { url: shown.verificationUrl, code: shown.userCode, user: s.user });
    return (await call("acquireTokenWithDeviceCode", [s.graph, s.public_app, shown])).accessToken;
  }

  async function password() {
    const given = [s.graph, s.user, "a password", s.public_app];
    return (await call("acquireTokenWithUsernamePassword", given)).accessToken;
  }

  return {
    "secret v1": secret(),
    "secret v1, own API": secret({ resource: s.orders }),
    "secret v1, slash": secret({ resource: s.graph + "/" }),
    "secret v1, GUID": secret({ resource: s.graph_app }),
    "secret, odd characters": secret({ secret: s.odd_secret }),
    "tenant by domain": secret({ tenant: s.domain }),
    "certificate SHA-1": certificate(ours),
    "wrong secret": secret({ secret: s.wrong_secret }),
    "secret's id": secret({ secret: s.secret_id }),
    "expired secret": secret({ secret: s.expired_secret }),
    "unknown tenant": secret({ tenant: s.unknown_tenant }),
    "app not in tenant": secret({ app: s.other_app }),
    "unknown app": secret({ app: s.unknown_app }),
    "unknown resource": secret({ resource: s.unknown_api }),
    "unknown thumbprint": certificate(strange),
    "another key": certificate(borrowed),
    "auth code v1": async () => (await redeem(await code())).accessToken,
    "code twice": codeTwice,
    "refresh v1": refresh(s.orders),
    "refresh v1, unknown API": refresh(s.unknown_api),
    "refresh, garbage": refresh(s.graph, "garbage"),
    "device code v1": device,
    "password": password,
  };
}
