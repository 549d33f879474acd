// Runs clients for Node against the emulator, and prints the same lines as python/drive.py.
//
// Usage: drive.mjs SETTINGS CLIENT...     the emulator's address stands in AZURE_AUTHORITY_HOST
import { readFileSync } from "node:fs";

import { stay } from "./loopback.mjs";
import { outcome, tell } from "./outcome.mjs";
import { missing, version } from "./packages.mjs";

const CLIENTS = {
  "js-id": { package: "@azure/identity", module: "./azure.mjs" },
  "msal-js": { package: "@azure/msal-node", module: "./msal.mjs" },
  "adal-js": { package: "adal-node", module: "./adal.mjs" },
  "openid": { package: "openid-client", module: "./openid.mjs" },
};

async function main(path, names) {
  const settings = JSON.parse(readFileSync(path, "utf8"));
  stay();
  for (const name of names) {
    const client = CLIENTS[name];
    const skipped = missing(client.package);
    if (skipped) {
      tell({ client: name, skipped });
      continue;
    }
    tell({ client: name, version: version(client.package) });
    const { cases } = await import(client.module);
    for (const [name_, run] of Object.entries(cases(process.env.AZURE_AUTHORITY_HOST, settings))) {
      tell({ client: name, case: name_, ...(await outcome(run)) });
    }
  }
}

await main(process.argv[2], process.argv.slice(3));
// Some clients leave timers and connections behind.
process.exit(0);
