// Keeps this process on loopback, and notes the client assertions that leave it.
import http from "node:http";
import net from "node:net";

/** Every host that was refused: a client may have swallowed the error. */
export const refused = [];

/** The client assertions that were sent, in their order. */
export const assertions = [];

export function stay() {
  for (const name of Object.keys(process.env)) {
    if (name.toLowerCase().endsWith("_proxy")) {
      delete process.env[name];
    }
  }
  // Every client ends here, by TLS too.
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...given) {
    const options = [given].flat(2).find((one) => typeof one === "object" && one) ?? {};
    const host = options.host ?? (typeof given[1] === "string" ? given[1] : "localhost");
    if (!options.path && !["localhost", "127.0.0.1", "::1"].includes(host)) {
      refused.push(host);
      throw new Error(`it asked for ${host}, and only loopback is there`);
    }
    return connect.apply(this, given);
  };
  try {
    net.connect(443, "login.microsoftonline.com");
    throw new TypeError("the guard of loopback lets others pass");
  } catch (error) {
    if (error instanceof TypeError) {
      throw error;
    }
    refused.length = 0;
  }
  for (const name of ["write", "end"]) {
    const send = http.ClientRequest.prototype[name];
    http.ClientRequest.prototype[name] = function (body, ...rest) {
      note(body);
      return send.call(this, body, ...rest);
    };
  }
  const send = globalThis.fetch;
  globalThis.fetch = (url, options) => {
    note(options?.body);
    return send(url, options);
  };
}

/** Notes the assertion in a form that is sent. */
function note(body) {
  if (typeof body === "string" || body instanceof Uint8Array || body instanceof URLSearchParams) {
    const assertion = new URLSearchParams(body.toString()).get("client_assertion");
    if (assertion) {
      assertions.push(assertion);
    }
  }
}
