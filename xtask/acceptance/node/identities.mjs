// Asks clients for Node for tokens of managed identities, from the source that the environment names.
//
// Usage: identities.mjs SETTINGS SOURCE CLIENT...
//
// Prints the lines of drive.mjs, with cases such as "imds, client ID".
import { readFileSync } from "node:fs";

import { stay } from "./loopback.mjs";
import { outcome, tell } from "./outcome.mjs";
import { missing, version } from "./packages.mjs";
import { Refused } from "./refused.mjs";

const CLIENTS = {
  "js-id": { package: "@azure/identity", ask: byAzure },
  "msal-js": { package: "@azure/msal-node", ask: byMsal },
};

/** Each case with the kind and the value of an identity, if it names one, and the resource. */
function cases(source, s) {
  const { user } = s.identities;
  return [
    [source, undefined, s.vault],
    [`${source}, client ID`, ["ClientId", user.client_id], s.vault],
    [`${source}, object ID`, ["ObjectId", user.object_id], s.vault],
    [`${source}, resource ID`, ["ResourceId", user.resource_id], s.vault],
    [`${source}, unknown ID`, ["ClientId", s.unknown_app], s.vault],
    [`${source}, unknown API`, undefined, s.unknown_api],
  ];
}

async function byMsal(identity, resource) {
  const { ManagedIdentityApplication } = await import("@azure/msal-node");
  const parameters = identity && { managedIdentityIdParams: { [`userAssigned${identity[0]}`]: identity[1] } };
  try {
    return (await new ManagedIdentityApplication(parameters).acquireToken({ resource })).accessToken;
  } catch (error) {
    throw Refused.by(error);
  }
}

async function byAzure(identity, resource) {
  const { ManagedIdentityCredential } = await import("@azure/identity");
  const options = { retryOptions: { maxRetries: 0 } };
  const named = identity && { [identity[0][0].toLowerCase() + identity[0].slice(1)]: identity[1] };
  try {
    const credential = new ManagedIdentityCredential({ ...options, ...named });
    return (await credential.getToken(`${resource}/.default`)).token;
  } catch (error) {
    throw Refused.by(error);
  }
}

const [path, source, ...names] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(path, "utf8"));
stay();
for (const client of names) {
  const { package: name, ask } = CLIENTS[client];
  const skipped = missing(name);
  if (skipped) {
    tell({ client, skipped });
    continue;
  }
  tell({ client, version: version(name) });
  for (const [case_, identity, resource] of cases(source, settings)) {
    tell({ client, case: case_, ...(await outcome(() => ask(identity, resource))) });
  }
}
// Some clients leave timers and connections behind.
process.exit(0);
