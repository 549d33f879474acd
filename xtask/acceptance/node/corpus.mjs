// Has jose judge the tokens of the corpus, set up as its documentation shows, and prints the lines of python/corpus.py.
//
// Usage: corpus.mjs CORPUS VALIDATOR...
import { readFileSync } from "node:fs";

import * as jose from "jose";

import { stay } from "./loopback.mjs";
import { missing, version } from "./packages.mjs";

const [path, ...names] = process.argv.slice(2);
const corpus = JSON.parse(readFileSync(path, "utf8"));

const text = (piece) => (typeof piece === "string" ? piece : piece.repeat.repeat(piece.times));

/** The metadata of each version of tokens that the API takes; that of version 2 is the last. */
function metadata(api) {
  return Object.keys(api.metadata).sort().map((version) => corpus.documents[api.metadata[version]]);
}

/** The issuers of the API's tenants, or nothing where any may call: an issuer cannot be left open in part. */
function issuers(api) {
  const templates = metadata(api).map((document) => document.issuer);
  return api.tenants?.flatMap((tenant) => templates.map((template) => template.replaceAll("{tenantid}", tenant)));
}

/** https://github.com/panva/jose/blob/main/docs: `createRemoteJWKSet` and the options of `jwtVerify`. */
const settings = Object.fromEntries(
  Object.entries(corpus.apis).map(([name, api]) => [
    name,
    {
      keys: jose.createRemoteJWKSet(new URL(metadata(api).at(-1).jwks_uri), {
        [jose.customFetch]: async (url) => Response.json(corpus.documents[url]),
      }),
      options: {
        algorithms: ["RS256"],
        audience: api.audiences,
        clockTolerance: corpus.leeway,
        currentDate: new Date(corpus.now * 1000),
        issuer: issuers(api),
        requiredClaims: ["exp"],
      },
    },
  ]),
);

async function verdict({ api, token }) {
  const { keys, options } = settings[api];
  try {
    await jose.jwtVerify(token.map(text).join(""), keys, options);
    return "accept";
  } catch (error) {
    if (error instanceof jose.errors.JOSEError) {
      return "reject";
    }
    throw error;
  }
}

stay();
for (const validator of names) {
  const skipped = missing("jose");
  if (skipped) {
    console.log(JSON.stringify({ validator, skipped }));
    continue;
  }
  console.log(JSON.stringify({ validator, version: version("jose") }));
  for (const token of corpus.tokens) {
    console.log(JSON.stringify({ validator, token: token.name, verdict: await verdict(token) }));
  }
}
process.exit(0);
