// The user with a browser: python/person.py, as a program.
import { execFile } from "node:child_process";

export function person(settings, what, members) {
  const [program, ...words] = settings.person;
  return new Promise((resolve, reject) => {
    const child = execFile(program, words, (error, out, err) =>
      error ? reject(new Error(err.trim().split("\n").pop())) : resolve(JSON.parse(out)),
    );
    child.stdin.end(JSON.stringify({ do: what, ...members }));
  });
}
