// Has jose and jsonwebtoken validate the tokens that python/validate.py left, and prints the same lines.
//
// Usage: validate.mjs SETTINGS CLIENT...
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

import { stay } from "./loopback.mjs";
import { missing, version } from "./packages.mjs";

const keys = new Map();

/** Rejects, or returns the claims. No algorithm is given: the library chooses by the key. */
async function byJose({ token, issuer, audience, keys: url }) {
  keys.set(url, keys.get(url) ?? jose.createRemoteJWKSet(new URL(url)));
  return jose.jwtVerify(token, keys.get(url), { issuer, audience });
}

const documents = new Map();

/** Rejects, or returns the claims, by the key that the token names. */
async function byJsonwebtoken({ token, issuer, audience, keys: url }) {
  documents.set(url, documents.get(url) ?? (await (await fetch(url)).json()));
  const { kid } = jsonwebtoken.decode(token, { complete: true }).header;
  const jwk = documents.get(url).keys.find((key) => key.kid === kid);
  if (!jwk) {
    throw new Error("no such key");
  }
  return jsonwebtoken.verify(token, createPublicKey({ key: jwk, format: "jwk" }), { issuer, audience });
}

const VALIDATORS = {
  "jose": { package: "jose", verify: byJose },
  "jwt-js": { package: "jsonwebtoken", verify: byJsonwebtoken },
};

async function isAccepted(verify, each) {
  try {
    return Boolean(await verify(each));
  } catch {
    return false;
  }
}

const [settings, ...names] = process.argv.slice(2);
const all = JSON.parse(readFileSync(join(dirname(settings), "tokens.json"), "utf8"));
stay();
for (const client of names) {
  const { package: package_, verify } = VALIDATORS[client];
  const skipped = missing(package_);
  if (skipped) {
    console.log(JSON.stringify({ client, skipped }));
    continue;
  }
  console.log(JSON.stringify({ client, version: version(package_) }));
  for (const name of new Set(all.map((each) => each.case))) {
    const accepted = [];
    for (const each of all.filter((each) => each.case === name)) {
      accepted.push(await isAccepted(verify, each));
    }
    const number = accepted.filter(Boolean).length;
    const cell = number === accepted.length ? "ok" : number > 0 ? "MIXED" : "rejected";
    console.log(JSON.stringify({ client, case: name, cell, why: `${number} of ${accepted.length} accepted` }));
  }
}
process.exit(0);
