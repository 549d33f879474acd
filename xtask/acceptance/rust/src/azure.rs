//! azure_identity.

use std::sync::Arc;
use std::{env, fs};

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, SecretBytes, TokenCredential};
use azure_core::http::{ClientMethodOptions, ClientOptions, Transport};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientCertificateCredential,
    ClientCertificateCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use crate::settings::Settings;
use crate::wire::Wire;
use crate::{Case, Cases, Ended};

pub fn cases<'a>(settings: &'a Settings, wire: &'a Wire) -> Cases<'a> {
    let client = Client { settings, wire };
    let text = |name| settings.text(name);
    let graph = settings.default_scope("graph");
    let orders = settings.default_scope("orders");
    let right = Proof {
        tenant: text("tenant"),
        app: text("secret_app"),
        secret: text("secret"),
    };
    let secret = |proof, scopes: &[&str]| -> Case<'a> {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Box::pin(client.secret(proof, scopes))
    };
    let scoped = |scope: &str| secret(right, &[scope]);
    let with = |name| {
        secret(
            Proof {
                secret: text(name),
                ..right
            },
            &[&graph],
        )
    };
    let of = |name| {
        secret(
            Proof {
                app: text(name),
                ..right
            },
            &[&graph],
        )
    };
    let at = |name| {
        secret(
            Proof {
                tenant: text(name),
                ..right
            },
            &[&graph],
        )
    };
    vec![
        ("secret", scoped(&graph)),
        ("secret, own API", scoped(&orders)),
        ("secret, double slash", scoped(&format!("{}//.default", text("graph")))),
        ("secret, GUID", scoped(&settings.default_scope("graph_app"))),
        ("secret, odd characters", with("odd_secret")),
        ("tenant by domain", at("domain")),
        ("certificate PFX", Box::pin(client.certificate("ours", false))),
        ("certificate PFX x5c", Box::pin(client.certificate("ours", true))),
        ("assertion", Box::pin(client.assertion("assertion"))),
        (
            "assertion, malformed",
            Box::pin(client.assertion("malformed_assertion")),
        ),
        ("federated assertion", Box::pin(client.assertion("federated_assertion"))),
        ("workload identity file", Box::pin(client.workload())),
        ("wrong secret", with("wrong_secret")),
        ("secret's id", with("secret_id")),
        ("expired secret", with("expired_secret")),
        ("unknown tenant", at("unknown_tenant")),
        ("app not in tenant", of("other_app")),
        ("unknown app", of("unknown_app")),
        ("unknown resource", scoped(&settings.default_scope("unknown_api"))),
        (
            "scope without .default",
            scoped(&format!("{}/User.Read.All", text("graph"))),
        ),
        ("two resources", secret(right, &[&graph, &orders])),
        ("unknown thumbprint", Box::pin(client.certificate("strange", false))),
        ("another key", Box::pin(client.assertion("borrowed_assertion"))),
    ]
}

#[derive(Clone, Copy)]
struct Proof<'a> {
    tenant: &'a str,
    app: &'a str,
    secret: &'a str,
}

#[derive(Clone, Copy)]
struct Client<'a> {
    settings: &'a Settings,
    wire: &'a Wire,
}

impl Client<'_> {
    async fn secret(self, proof: Proof<'_>, scopes: Vec<String>) -> Ended {
        let options = ClientSecretCredentialOptions {
            client_options: self.options(),
        };
        let secret = Secret::new(proof.secret.to_owned());
        let credential = ClientSecretCredential::new(proof.tenant, proof.app.to_owned(), secret, Some(options))?;
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        token(&*credential, &scopes).await
    }

    async fn certificate(self, key: &str, sends_chain: bool) -> Ended {
        env::set_var("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", sends_chain.to_string());
        let pfx = fs::read(self.settings.text(&format!("keys/{key}/pfx")))?;
        let options = ClientCertificateCredentialOptions {
            client_options: self.options(),
            password: Some(Secret::new(self.settings.text("pfx_password").to_owned())),
        };
        let (tenant, app) = self.certificate_app();
        let credential = ClientCertificateCredential::new(tenant, app, SecretBytes::new(pfx), Some(options))?;
        self.graph_token(&*credential).await
    }

    async fn assertion(self, name: &str) -> Ended {
        let made = Made(self.settings.text(name).to_owned());
        let (tenant, app) = self.certificate_app();
        let credential = ClientAssertionCredential::new(tenant, app, made, Some(self.assertion_options()))?;
        self.graph_token(&*credential).await
    }

    async fn workload(self) -> Ended {
        let (tenant, app) = self.certificate_app();
        let options = WorkloadIdentityCredentialOptions {
            credential_options: self.assertion_options(),
            client_id: Some(app),
            tenant_id: Some(tenant),
            token_file_path: Some(self.settings.text("assertion_file").into()),
            ..Default::default()
        };
        self.graph_token(&*WorkloadIdentityCredential::new(Some(options))?)
            .await
    }

    async fn graph_token(self, credential: &dyn TokenCredential) -> Ended {
        token(credential, &[&self.settings.default_scope("graph")]).await
    }

    /// The tenant and the application.
    fn certificate_app(self) -> (String, String) {
        let text = |name| self.settings.text(name).to_owned();
        (text("tenant"), text("certificate_app"))
    }

    fn assertion_options(self) -> ClientAssertionCredentialOptions {
        ClientAssertionCredentialOptions {
            client_options: self.options(),
        }
    }

    fn options(self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host.clone_from(&self.settings.host);
        ClientOptions {
            transport: Some(Transport::new(Arc::new(self.wire.clone()))),
            cloud: Some(Arc::new(cloud.into())),
            ..Default::default()
        }
    }
}

async fn token(credential: &dyn TokenCredential, scopes: &[&str]) -> Ended {
    Ok(credential.get_token(scopes, None).await?.token.secret().to_owned())
}

/// An assertion that a callback made.
#[derive(Debug)]
struct Made(String);

#[async_trait]
impl ClientAssertion for Made {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.clone())
    }
}
