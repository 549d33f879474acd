// openid-client, which compares the issuer with the address of the document, and so needs issuers of the emulator's own.
import { createPrivateKey } from "node:crypto";
import * as client from "openid-client";

import { person } from "./person.mjs";
import { Refused } from "./refused.mjs";

export function cases(host, s) {
  const { ours } = s.keys;
  const graph = s.graph + "/.default";
  const [userGraph, userOrders] = [s.graph + "/User.Read", s.orders + "/Orders.Use"];

  function discover(app, proof) {
    return client.discovery(new URL(`${host}/${s.tenant}/v2.0`), app, undefined, proof);
  }

  async function token(response) {
    try {
      return (await response).access_token;
    } catch (error) {
      const shown = [error.message, error.error_description].filter(Boolean).join(": ");
      throw new Refused(shown, JSON.stringify(error.cause ?? ""));
    }
  }

  function appOnly(proof, app = s.secret_app) {
    return async () => token(client.clientCredentialsGrant(await discover(app, await proof()), { scope: graph }));
  }

  function post(secret) {
    return appOnly(() => client.ClientSecretPost(secret));
  }

  function basic(secret) {
    return appOnly(() => client.ClientSecretBasic(secret));
  }

  async function certificate() {
    const der = createPrivateKey(ours.private).export({ type: "pkcs8", format: "der" });
    const algorithm = { name: "RSA-PSS", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
    const thumbprint = Buffer.from(ours.sha256, "hex").toString("base64url");
    return client.PrivateKeyJwt(key, {
      [client.modifyAssertion]: (header) => {
        header["x5t#S256"] = thumbprint;
      },
    });
  }

  /** The configuration, and the way to redeem a code with PKCE and a nonce. */
  async function byCode() {
    const config = await discover(s.secret_app, client.ClientSecretPost(s.secret));
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: s.redirect,
      scope: `openid offline_access ${userOrders}`,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      state: expectedState,
      nonce: expectedNonce,
    });
    const answer = await person(s, "approve", { url: url.href, user: s.user });
    const back = new URL(`${s.redirect}?${new URLSearchParams(answer)}`);
    const checks = { pkceCodeVerifier, expectedState, expectedNonce };
    return { config, redeem: () => client.authorizationCodeGrant(config, back, checks) };
  }

  async function codeTwice() {
    const { redeem } = await byCode();
    await redeem();
    return token(redeem());
  }

  async function refresh() {
    const { config, redeem } = await byCode();
    const { refresh_token } = await redeem();
    return token(client.refreshTokenGrant(config, refresh_token, { scope: userOrders }));
  }

  async function device() {
    const config = await discover(s.public_app, client.None());
    const shown = await client.initiateDeviceAuthorization(config, { scope: userGraph });
    await person(s, "device", { url: shown.verification_uri, code: shown.user_code, user: s.user });
    return token(client.pollDeviceAuthorizationGrant(config, shown));
  }

  return {
    "discovery": post(s.secret),
    "secret in the body": post(s.secret),
    "secret by Basic": basic(s.secret),
    "odd secret in the body": post(s.odd_secret),
    "odd secret by Basic": basic(s.odd_secret),
    "wrong secret": post(s.wrong_secret),
    "wrong secret by Basic": basic(s.wrong_secret),
    "certificate SHA-256": appOnly(certificate, s.certificate_app),
    "auth code, PKCE": async () => token((await byCode()).redeem()),
    "code twice": codeTwice,
    "refresh": refresh,
    "device code": device,
  };
}
