use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use entra_credential::ClientCertificate;
use entra_emulator::{App, Emulator};
use entra_proto::{
    Application, Authority, ClientCredential, ClientSecret, EndpointVersion, Guid, Target, TokenResponse,
    UnverifiedClaims,
};
use entra_transport::{AcquireError, acquire_blocking};
use entra_transport_ureq::UreqTransport;
use rcgen::RsaKeySize;

use crate::api::{Answer, call};
use crate::commands::cert::self_signed;
use crate::exit::{Exit, Failure};
use crate::files::print;
use crate::moment::length;
use crate::requests::Logged;

/// Show the whole path from a secret to an API's answer, against an emulator, and explain each step.
///
/// Starts an emulator on loopback, gets tokens on the v2 and the v1 endpoint, calls the emulated Microsoft Graph with them, and makes
/// the usual mistakes on purpose. Nothing leaves this machine; the same code with a real tenant talks to the real service.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What all made-up values are derived from: the same number makes the same tenant and applications
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (key, certificate) = self_signed("certified daemon", RsaKeySize::_2048, Duration::from_secs(86_400))?;
    let emulator = Emulator::builder()
        .seed(arguments.seed)
        .app(App::new("reporting daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .app(
            App::new("certified daemon")
                .without_secrets()
                .certificate_pem(certificate.as_str())
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .app(App::new("forgotten daemon").request(Emulator::GRAPH, "User.Read.All"))
        .try_start()
        .map_err(|error| Failure::of(Exit::Network, &error))?;
    let certificate = ClientCertificate::from_pem(format!("{}{certificate}", key.as_str()), None);
    let demo = Demo {
        transport: Logged(UreqTransport::builder().allow_plain_loopback(true).build()?),
        emulator,
        certificate: certificate?,
    };
    demo.tour()
}

struct Demo {
    transport: Logged<UreqTransport>,
    emulator: Emulator,
    certificate: ClientCertificate,
}

impl Demo {
    fn tour(&self) -> Result<(), Failure> {
        self.introduce()?;
        let app = self.application("reporting daemon")?;
        let token = self.v2(&app)?;
        self.users(&token)?;
        self.v1(&app)?;
        self.double_slash(&app)?;
        self.certificate()?;
        self.forgotten_consent()?;
        self.mistakes(&app)?;
        print(&format!(
            "\n{} requests were made, all of them to {}.\nTo try your own code: entra emulator",
            self.emulator.request_count(),
            self.emulator.base_url()
        ))
    }

    fn introduce(&self) -> Result<(), Failure> {
        let emulator = &self.emulator;
        print(&format!(
            "1. An Entra on loopback\n   {} is an emulator with the tenant {} ({}).\n   \
             It refuses what Entra refuses. The application \"reporting daemon\" is registered there,\n   \
             and an administrator granted it User.Read.All on Microsoft Graph.",
            emulator.base_url(),
            emulator.domain(),
            emulator.tenant_id(),
        ))
    }

    fn v2(&self, app: &Application) -> Result<TokenResponse, Failure> {
        let target = Target::scopes("https://graph.microsoft.com/.default")?;
        let (shown, token) = self.acquire(app, target)?;
        print(&format!(
            "\n2. A token from the v2 endpoint\n   The daemon proves who it is with its secret, and asks for everything it was granted on one API:\n\
             {shown}"
        ))?;
        Ok(token)
    }

    fn users(&self, token: &TokenResponse) -> Result<(), Failure> {
        let mut story = String::from("\n3. A call to the API\n");
        let mut next = Some(format!("{}/users?$top=2", self.emulator.graph_url()));
        while let Some(url) = next.take() {
            let answer = call(&self.transport, &url, &token.access_token)?;
            if answer.status != 200 {
                return Err(refused(&answer));
            }
            let _ = writeln!(
                story,
                "   GET {url}\n   Authorization: Bearer ...  ->  {}",
                answer.status
            );
            for user in answer.json["value"].as_array().into_iter().flatten() {
                let text = |name: &str| user[name].as_str().unwrap_or("?").escape_debug().to_string();
                let _ = writeln!(story, "     {} <{}>", text("displayName"), text("userPrincipalName"));
            }
            next = answer.json["@odata.nextLink"].as_str().map(str::to_owned);
        }
        print(story.trim_end())
    }

    fn v1(&self, app: &Application) -> Result<(), Failure> {
        let target = Target::resource("https://graph.microsoft.com")?;
        let (shown, token) = self.acquire(&app.clone().on(EndpointVersion::V1), target)?;
        let answer = call(
            &self.transport,
            &format!("{}/users", self.emulator.graph_url()),
            &token.access_token,
        )?;
        if answer.status != 200 {
            return Err(refused(&answer));
        }
        print(&format!(
            "\n4. The same from the v1 endpoint\n   It takes the API as resource, without /.default; its answer has strings where v2 has numbers:\n\
             {shown}\n   Microsoft Graph takes this token as well  ->  {}",
            answer.status
        ))
    }

    fn double_slash(&self, app: &Application) -> Result<(), Failure> {
        let target = Target::resource("https://database.windows.net/")?;
        let (shown, _) = self.acquire(app, target)?;
        print(&format!(
            "\n5. An API whose name ends with a slash\n   Azure SQL expects the audience https://database.windows.net/, slash included. The v2 endpoint cuts\n   \
             the scope at its last slash, so it needs two of them:\n{shown}"
        ))
    }

    fn certificate(&self) -> Result<(), Failure> {
        let app = self.at("certified daemon", self.certificate.clone())?;
        let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
        let token = acquire_blocking(&self.transport, request)?;
        let claims = UnverifiedClaims::decode(token.access_token.expose())?;
        let answer = call(
            &self.transport,
            &format!("{}/users", self.emulator.graph_url()),
            &token.access_token,
        )?;
        if answer.status != 200 {
            return Err(refused(&answer));
        }
        print(&format!(
            "\n6. A certificate in the place of the secret\n   \"certified daemon\" has no secret. A key and a certificate were made on the spot, and the certificate\n   \
             was registered; instead of client_secret, the request has client_assertion, a JWT that the key signed.\n   \
             Its certificate: {} by SHA-1.\n   \
             The token says that a certificate proved it: appidacr={}; Microsoft Graph takes it  ->  {}",
            self.certificate.thumbprints().sha1_hex(),
            claims.get("appidacr").and_then(|value| value.as_str()).unwrap_or("?"),
            answer.status,
        ))
    }

    fn forgotten_consent(&self) -> Result<(), Failure> {
        let app = self.application("forgotten daemon")?;
        let (_, token) = self.acquire(&app, Target::resource("https://graph.microsoft.com")?)?;
        let answer = call(
            &self.transport,
            &format!("{}/users", self.emulator.graph_url()),
            &token.access_token,
        )?;
        if answer.status != 403 {
            return Err(refused(&answer));
        }
        print(&format!(
            "\n7. Consent that nobody gave\n   \"forgotten daemon\" asks for the same permission in its registration, but no administrator granted it.\n   \
             It gets a token all the same, one without roles, and the API refuses it  ->  {}\n     {}: {}",
            answer.status,
            answer.json["error"]["code"].as_str().unwrap_or("?"),
            answer.json["error"]["message"].as_str().unwrap_or("?"),
        ))
    }

    fn mistakes(&self, app: &Application) -> Result<(), Failure> {
        let mut story = String::from("\n8. Mistakes, and what to do about them\n");
        let wrong = Application::new(
            app.authority().clone(),
            app.client_id(),
            ClientSecret::new("not the secret")?,
        );
        let cases = [
            ("a wrong secret", wrong, "https://graph.microsoft.com"),
            (
                "an API that does not exist",
                app.clone(),
                "https://graph.microsoft.example",
            ),
        ];
        for (what, app, resource) in cases {
            let request = app.client_credentials(Target::resource(resource)?)?;
            match acquire_blocking(&self.transport, request) {
                Err(AcquireError::Protocol(error)) => {
                    let _ = writeln!(story, "   {what}:\n     {error}");
                }
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(Failure::text(Exit::Refused, format!("{what} was accepted"))),
            }
        }
        // These two are refused before anything is sent.
        let named = Target::scopes("https://graph.microsoft.com/User.Read")?;
        let common = app
            .clone()
            .at(Authority::new(app.authority().cloud().clone(), "common".parse()?)?);
        for (what, refusal) in [
            ("a single permission as scope", app.client_credentials(named).err()),
            (
                "common as the tenant",
                common
                    .client_credentials(Target::resource("https://graph.microsoft.com")?)
                    .err(),
            ),
        ] {
            let error = refusal.ok_or_else(|| Failure::text(Exit::Refused, format!("{what} was accepted")))?;
            let _ = writeln!(story, "   {what} (never sent):\n     {error}");
        }
        print(story.trim_end())
    }

    fn application(&self, name: &str) -> Result<Application, Failure> {
        let app = self
            .emulator
            .app(name)
            .ok_or_else(|| Failure::text(Exit::Configuration, format!("no {name}")))?;
        let secret = app
            .secrets
            .iter()
            .flatten()
            .next()
            .map(|secret| secret.value.clone())
            .unwrap_or_default();
        self.at(name, ClientSecret::new(secret)?)
    }

    /// The application of this name, with this credential.
    fn at(&self, name: &str, credential: impl Into<ClientCredential>) -> Result<Application, Failure> {
        let app = self
            .emulator
            .app(name)
            .ok_or_else(|| Failure::text(Exit::Configuration, format!("no {name}")))?;
        let authority = Authority::loopback(&self.emulator.authority())?;
        Ok(Application::new(authority, app.client_id.parse()?, credential))
    }

    /// Gets a token, and tells what was sent (its secret aside) and what came.
    fn acquire(&self, app: &Application, target: Target) -> Result<(String, TokenResponse), Failure> {
        let request = app.client_credentials(target)?;
        let sent = request.encode(Guid::from_bytes([0; 16]));
        let body = String::from_utf8_lossy(sent.body().as_bytes()).into_owned();
        let mut shown = format!("     POST {}\n", sent.uri());
        for (at, pair) in body.split('&').enumerate() {
            let pair = if pair.starts_with("client_secret=") {
                "client_secret=..."
            } else {
                pair
            };
            let _ = writeln!(shown, "       {}{pair}", if at == 0 { "" } else { "&" });
        }
        let token = acquire_blocking(&self.transport, request)?;
        let lifetime = token.lifetime.expires_at.since(token.lifetime.received_at);
        let claims = UnverifiedClaims::decode(token.access_token.expose())?;
        let roles: Vec<&str> = claims.roles().collect();
        let roles = if roles.is_empty() {
            "none".to_owned()
        } else {
            roles.join(", ")
        };
        let _ = write!(
            shown,
            "   The answer: a token of format {} for {}, good for {}; roles: {roles}",
            claims.version().unwrap_or("?"),
            claims.audience().unwrap_or("?"),
            length(lifetime),
        );
        Ok((shown, token))
    }
}

fn refused(answer: &Answer) -> Failure {
    Failure::text(
        Exit::Api,
        format!("the API answered {}: {}", answer.status, answer.json["error"]["code"]),
    )
}
