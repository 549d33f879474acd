//! A client of Key Vault, which learns its scope from the first response.

use std::sync::Arc;

use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use entra_azure_core::{EntraCredential, ReplaceRejected};

use crate::api::{Api, NOT_BEFORE, PUBLIC, Reply, Seen, challenge};
use crate::support::TokenService;

fn vault(api: &Api, credential: &Arc<EntraCredential>) -> SecretClient {
    let mut options = SecretClientOptions {
        client_options: api.options(),
        ..SecretClientOptions::default()
    };
    let policies = &mut options.client_options.per_call_policies;
    policies.push(Arc::new(ReplaceRejected::new(credential)));
    let url = "https://contoso.vault.azure.net";
    SecretClient::new(url, Arc::clone(credential) as _, Some(options)).unwrap()
}

/// A vault that rejects `revoked` with a claims challenge.
fn reply(seen: &Seen, revoked: &str) -> Reply {
    let scope = r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#;
    match &*seen.token {
        "" => (401, format!("www-authenticate: {scope}\r\n"), ""),
        token if token == revoked => challenge(PUBLIC, NOT_BEFORE),
        _ => (200, "content-type: application/json\r\n".to_owned(), r#"{"value":"s"}"#),
    }
}

#[tokio::test]
async fn clients_of_a_vault_share_one_token_request() {
    let (token_service, api) = (TokenService::new(), Api::start(|seen| reply(seen, "none")));
    let credential = token_service.credential();
    for client in [vault(&api, &credential), vault(&api, &credential)] {
        for _ in 0..2 {
            let secret = client.get_secret("password", None).await.unwrap().into_model().unwrap();
            assert_eq!(secret.value.as_deref(), Some("s"));
        }
    }
    assert_eq!(api.tokens(), ["", "t1", "t1", "", "t1", "t1"]);
    let forms = token_service.forms();
    assert_eq!(forms.len(), 1);
    assert!(
        forms[0].contains("scope=https%3A%2F%2Fvault.azure.net%2F.default"),
        "{}",
        forms[0]
    );
}

#[tokio::test]
async fn claims_challenge_of_a_vault_is_satisfied() {
    let (token_service, api) = (TokenService::new(), Api::start(|seen| reply(seen, "t1")));
    let client = vault(&api, &token_service.credential());
    client.get_secret("password", None).await.unwrap();
    client.get_secret("password", None).await.unwrap();
    // The SDK itself asks for the same token again, before the policy sees the response.
    assert_eq!(api.tokens(), ["", "t1", "t1", "t2", "t2"]);
    let forms = token_service.forms();
    assert_eq!(forms.len(), 2);
    assert!(forms[1].contains("nbf") && !forms[0].contains("nbf"), "{}", forms[1]);
}
