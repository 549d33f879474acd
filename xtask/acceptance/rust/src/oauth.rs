//! oauth2, which speaks RFC 6749 alone: secrets in the body and by Basic, PKCE, refresh tokens,
//! device codes.

use std::error::Error;

use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl, EndpointNotSet,
    EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope,
    StandardDeviceAuthorizationResponse, TokenResponse, TokenUrl,
};
use serde_json::json;

use crate::person::person;
use crate::settings::Settings;
use crate::wire::Wire;
use crate::{Case, Cases, Ended};

pub fn cases<'a>(settings: &'a Settings, wire: &'a Wire) -> Cases<'a> {
    let client = Client { settings, wire };
    let text = |name| settings.text(name);
    let graph = settings.default_scope("graph");
    let right = client.right();
    let app_only = |proof: Proof<'a>, scopes: &[&str]| -> Case<'a> {
        let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned())).collect();
        Box::pin(client.app_only(proof, scopes))
    };
    let scoped = |scope: &str| app_only(right, &[scope]);
    let with = |secret| Proof {
        secret: Some(text(secret)),
        ..right
    };
    let posted = |secret| app_only(with(secret), &[&graph]);
    let basic = |secret| {
        app_only(
            Proof {
                basic: true,
                ..with(secret)
            },
            &[&graph],
        )
    };
    let of = |app| {
        app_only(
            Proof {
                app: text(app),
                ..right
            },
            &[&graph],
        )
    };
    vec![
        ("secret in the body", posted("secret")),
        ("secret by Basic", basic("secret")),
        ("odd secret in the body", posted("odd_secret")),
        ("odd secret by Basic", basic("odd_secret")),
        ("wrong secret", posted("wrong_secret")),
        ("wrong secret by Basic", basic("wrong_secret")),
        ("secret's id", posted("secret_id")),
        ("expired secret", posted("expired_secret")),
        ("no credential", app_only(Proof { secret: None, ..right }, &[&graph])),
        (
            "unknown tenant",
            app_only(
                Proof {
                    tenant: text("unknown_tenant"),
                    ..right
                },
                &[&graph],
            ),
        ),
        ("app not in tenant", of("other_app")),
        ("unknown app", of("unknown_app")),
        ("unknown resource", scoped(&settings.default_scope("unknown_api"))),
        (
            "scope without .default",
            scoped(&format!("{}/User.Read.All", text("graph"))),
        ),
        (
            "two resources",
            app_only(right, &[&graph, &settings.default_scope("orders")]),
        ),
        ("auth code, PKCE", Box::pin(client.code(false))),
        ("code twice", Box::pin(client.code(true))),
        ("refresh", Box::pin(client.refresh())),
        (
            "refresh, garbage",
            Box::pin(client.redeem_refresh_token("garbage".to_owned())),
        ),
        ("device code", Box::pin(client.device())),
    ]
}

#[derive(Clone, Copy)]
struct Proof<'a> {
    tenant: &'a str,
    app: &'a str,
    secret: Option<&'a str>,
    /// The secret goes in the header `Authorization`.
    basic: bool,
}

#[derive(Clone, Copy)]
struct Client<'a> {
    settings: &'a Settings,
    wire: &'a Wire,
}

/// With an authorization, a device authorization and a token endpoint.
type Ready = BasicClient<EndpointSet, EndpointSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl<'a> Client<'a> {
    fn right(self) -> Proof<'a> {
        Proof {
            tenant: self.settings.text("tenant"),
            app: self.settings.text("secret_app"),
            secret: Some(self.settings.text("secret")),
            basic: false,
        }
    }

    fn build(self, proof: &Proof<'_>) -> Result<Ready, Box<dyn Error>> {
        let url = |name: &str| format!("{}/{}/oauth2/v2.0/{name}", self.settings.host, proof.tenant);
        let auth_type = if proof.basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let mut client = BasicClient::new(ClientId::new(proof.app.to_owned())).set_auth_type(auth_type);
        if let Some(secret) = proof.secret {
            client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
        }
        Ok(client
            .set_redirect_uri(RedirectUrl::new(self.settings.text("redirect").to_owned())?)
            .set_auth_uri(AuthUrl::new(url("authorize"))?)
            .set_device_authorization_url(DeviceAuthorizationUrl::new(url("devicecode"))?)
            .set_token_uri(TokenUrl::new(url("token"))?))
    }

    async fn app_only(self, proof: Proof<'_>, scopes: Vec<Scope>) -> Ended {
        let client = self.build(&proof)?;
        let request = client.exchange_client_credentials().add_scopes(scopes);
        Ok(access_token(&request.request_async(&|it| self.wire.send(it)).await?))
    }

    async fn code(self, twice: bool) -> Ended {
        Ok(access_token(&self.redeem_code(twice).await?))
    }

    /// The response to a code, or to the same code sent twice.
    async fn redeem_code(self, twice: bool) -> Result<BasicTokenResponse, Box<dyn Error>> {
        let client = self.build(&self.right())?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, _) = client
            .authorize_url(CsrfToken::new_random)
            .add_scope(self.user_scope())
            .add_scope(Scope::new("offline_access".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let user = self.settings.text("user");
        let answer = person(
            self.settings,
            &json!({ "do": "approve", "url": url.as_str(), "user": user }),
        )?;
        let code = answer["code"].as_str().ok_or("no code came")?;
        let redeem = async || {
            let verifier = PkceCodeVerifier::new(verifier.secret().clone());
            let request = client
                .exchange_code(AuthorizationCode::new(code.to_owned()))
                .set_pkce_verifier(verifier);
            request.request_async(&|it| self.wire.send(it)).await
        };
        let first = redeem().await?;
        Ok(if twice { redeem().await? } else { first })
    }

    async fn refresh(self) -> Ended {
        let first = self.redeem_code(false).await?;
        let refresh_token = first.refresh_token().ok_or("no refresh token came")?;
        self.redeem_refresh_token(refresh_token.secret().clone()).await
    }

    async fn redeem_refresh_token(self, refresh_token: String) -> Ended {
        let client = self.build(&self.right())?;
        let refresh_token = RefreshToken::new(refresh_token);
        let request = client
            .exchange_refresh_token(&refresh_token)
            .add_scope(self.user_scope());
        Ok(access_token(&request.request_async(&|it| self.wire.send(it)).await?))
    }

    async fn device(self) -> Ended {
        let client = self.build(&Proof {
            app: self.settings.text("public_app"),
            secret: None,
            ..self.right()
        })?;
        let scope = Scope::new(format!("{}/User.Read", self.settings.text("graph")));
        let request = client.exchange_device_code().add_scope(scope);
        let shown: StandardDeviceAuthorizationResponse = request.request_async(&|it| self.wire.send(it)).await?;
        let (url, code) = (shown.verification_uri().as_str(), shown.user_code().secret());
        let user = self.settings.text("user");
        person(
            self.settings,
            &json!({ "do": "device", "url": url, "code": code, "user": user }),
        )?;
        let request = client.exchange_device_access_token(&shown);
        let send = |it| self.wire.send(it);
        Ok(access_token(
            &request.request_async(&send, tokio::time::sleep, None).await?,
        ))
    }

    fn user_scope(self) -> Scope {
        Scope::new(format!("{}/Orders.Use", self.settings.text("orders")))
    }
}

fn access_token(response: &BasicTokenResponse) -> String {
    response.access_token().secret().clone()
}
