use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::ClientSecretCredential;

async fn token(secret: String) -> azure_core::Result<String> {
    let tenant = "contoso.com";
    let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".to_owned();
    let secret = Secret::new(secret);
    let credential =
        ClientSecretCredential::new(tenant, client_id, secret, None)?;
    let scope = "https://graph.microsoft.com/.default";
    let token = credential.get_token(&[scope], None).await?;
    Ok(token.token.secret().to_owned())
}
