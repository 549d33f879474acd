#!/usr/bin/env node
// Tests how a program handles a 429 with Retry-After, and a token that has expired.
//
//     node retry_and_expiry.mjs
//
// It requires Node 18 or later, and no packages. It starts an emulator (`entra` in PATH, or the
// program in the variable ENTRA), unless the environment has the settings that a running
// `entra emulator --control PORT` printed.
//
// Replace the class Program with your program, and pass it the AZURE_ settings.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

// The program under test. It reads users from Microsoft Graph and caches its token.
class Program {
  constructor(settings) {
    this.settings = settings;
  }

  async users() {
    let response;
    for (let attempt = 0; attempt < 2; attempt++) {
      this.token ??= await this.fetchToken();
      const headers = { Authorization: `Bearer ${this.token}` };
      response = await fetch(`${this.settings.AZURE_AUTHORITY_HOST}/v1.0/users`, { headers });
      if (response.ok) return (await response.json()).value;
      // The token has expired or was revoked.
      this.token = undefined;
    }
    throw new Error(`Microsoft Graph responded with ${response.status}`);
  }

  async fetchToken() {
    const { AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET } = this.settings;
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: AZURE_CLIENT_ID,
      client_secret: AZURE_CLIENT_SECRET,
      scope: "https://graph.microsoft.com/.default",
    });
    let response;
    for (let attempt = 0; attempt < 3; attempt++) {
      response = await fetch(`${AZURE_AUTHORITY_HOST}/${AZURE_TENANT_ID}/oauth2/v2.0/token`, { method: "POST", body });
      if (response.status !== 429) break;
      await sleep(1000 * Number(response.headers.get("retry-after")));
    }
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    return (await response.json()).access_token;
  }
}

// The emulator's control API.
class Control {
  constructor(settings) {
    this.url = settings.ENTRA_EMULATOR_CONTROL;
    this.headers = {
      Authorization: `Bearer ${settings.ENTRA_EMULATOR_CONTROL_KEY}`,
      "Content-Type": "application/json",
    };
  }

  get(path) {
    return this.send("GET", path);
  }

  post(path, members = {}) {
    return this.send("POST", path, JSON.stringify(members));
  }

  async send(method, path, body) {
    const response = await fetch(this.url + path, { method, headers: this.headers, body });
    const result = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${result.message}`);
    return result;
  }
}

// Returns the settings of a running or new emulator, and a function that stops it.
async function emulator() {
  if (process.env.ENTRA_EMULATOR_CONTROL) return { settings: process.env, stop() {} };
  const child = spawn(process.env.ENTRA ?? "entra", ["emulator", "--control", "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const failed = new Promise((_, reject) => child.on("error", reject));
  const settings = {};
  const read = async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      // Values may be in single quotes.
      const [, name, value] = line.match(/^export (\w+)='?(.*?)'?$/) ?? [];
      if (name) settings[name] = value;
      // This is the last line.
      if (name === "ENTRA_EMULATOR_CONTROL_KEY") return;
    }
    throw new Error("the emulator did not start");
  };
  await Promise.race([read(), failed]);
  return { settings, stop: () => child.kill() };
}

let failures = 0;

function check(what, seen, expected) {
  [seen, expected] = [JSON.stringify(seen), JSON.stringify(expected)];
  if (seen === expected) return console.log(`ok   ${what}: ${seen}`);
  failures++;
  console.log(`FAIL ${what}: ${seen}, not ${expected}`);
}

const { settings, stop } = await emulator();
try {
  const [control, program] = [new Control(settings), new Program(settings)];
  await control.post("/v1/reset");

  // A 429: the program waits as long as Retry-After requires, and tries again.
  await control.post("/v1/faults", { path: "/oauth2/v2.0/token", status: 429, retry_after: 1 });
  const start = performance.now();
  check("users despite a 429", (await program.users()).length > 0, true);
  // Timers may fire a little early.
  check("the program waited for a second", performance.now() - start > 950, true);
  const seen = await control.get("/v1/requests");
  const tokens = seen.requests.filter((one) => one.purpose === "token");
  check("token requests", tokens.map((one) => one.status), [429, 200]);

  // An expiry: the emulator's clock advances, and the API rejects the old token.
  const old = program.token;
  const { now_at } = await control.post("/v1/clock", { advance_seconds: 7200 });
  console.log(`     the emulator's time is now ${now_at}`);
  check("users after the token's expiry", (await program.users()).length > 0, true);
  check("a new token", program.token !== old, true);
  const later = await control.get(`/v1/requests?after=${seen.count}`);
  const statuses = later.requests.map((one) => `${one.purpose ?? one.path} ${one.status}`);
  check("requests", statuses, ["/v1.0/users 401", "token 200", "/v1.0/users 200"]);
} finally {
  stop();
}
process.exitCode = failures ? 1 : 0;
