// What the installed packages say about themselves.
import { readFileSync } from "node:fs";

function manifest(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"));
}

export function version(name) {
  return `${name} ${manifest(name).version}`;
}

/** What this Node lacks for the package, in words, or nothing. */
export function missing(name) {
  // A package that does not say needs what has Web Crypto.
  const wanted = /^>=\s*(\d+)/.exec(manifest(name).engines?.node ?? ">=20");
  const major = Number(process.versions.node.split(".")[0]);
  return wanted && major < Number(wanted[1])
    ? `${name} needs Node ${wanted[1]} or newer, and this is ${process.versions.node}`
    : undefined;
}
