use std::error::Error;
use std::future::Future;

use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, Scope,
    TokenResponse, TokenUrl,
};

/// `send` is the HTTP client.
async fn token<F>(
    secret: String,
    send: impl Fn(HttpRequest) -> F,
) -> Result<String, Box<dyn Error>>
where
    F: Future<Output = Result<HttpResponse, std::io::Error>>,
{
    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".to_owned();
    let url = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
    let scope = "https://graph.microsoft.com/.default".to_owned();
    let client = BasicClient::new(ClientId::new(id))
        .set_client_secret(ClientSecret::new(secret))
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(TokenUrl::new(url.to_owned())?);
    let request = client
        .exchange_client_credentials()
        .add_scope(Scope::new(scope));
    let response = request.request_async(&send).await?;
    Ok(response.access_token().secret().clone())
}
