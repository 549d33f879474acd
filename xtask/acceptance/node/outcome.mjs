// Runs a case and prints its outcome.
import { assertions, refused } from "./loopback.mjs";
import { Refused } from "./refused.mjs";

export async function outcome(run) {
  refused.length = assertions.length = 0;
  let found;
  try {
    found = { token: await run() };
  } catch (error) {
    found =
      error instanceof Refused
        ? { refused: error.message, behind: error.behind }
        : { failed: `${error.name}: ${error.message}` };
  }
  if (refused.length > 0) {
    found = { failed: `it asked for ${refused.join(", ")}` };
  }
  return { ...found, assertions: [...assertions] };
}

export function tell(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}
