// Assertions of the emulator's second issuer, as a job of GitHub Actions asks for them.

/** A new assertion: clients ask for one with each token request. */
export async function ofJob({ audience = "api://AzureADTokenExchange", ...more } = {}) {
  const url = new URL(process.env.ACTIONS_ID_TOKEN_REQUEST_URL);
  for (const [name, value] of Object.entries({ audience, ...more })) {
    url.searchParams.set(name, value);
  }
  const token = process.env.ACTIONS_ID_TOKEN_REQUEST_TOKEN;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  return (await answer.json()).value;
}
