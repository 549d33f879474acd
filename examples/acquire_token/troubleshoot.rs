//! The errors of the document's troubleshooting part, reproduced, each with what to do about it.

use std::time::SystemTime;

use clap::ValueEnum;
use entra_proto::Target;
use entra_proto::acquire::Step;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::printable;
use entra_transport::BlockingTransport;

use crate::Daemon;
use crate::common::{FORGOTTEN_CONSENT, Failure, Web, indented, say};
use crate::raw::{exchange, with_scope};

/// An error of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// A scope that is not the API's identifier and /.default
    Scope,
    /// An API that is called without consent for its permission
    Consent,
    /// An API of which the app registration declares no permission
    Permission,
    /// All of them, one after the other
    All,
}

impl Daemon {
    /// Reproduces the error. If it does not occur, that is a failure.
    pub(crate) fn troubleshoot(&self, case: Case, named: Option<Target>) -> Result<(), Failure> {
        match case {
            Case::Scope => self.wrong_scope(),
            Case::Consent => self.forgotten_consent(),
            Case::Permission => self.missing_permission(named),
            Case::All => {
                self.wrong_scope()?;
                say!();
                self.forgotten_consent()?;
                say!();
                self.missing_permission(named)
            }
        }
    }

    /// Reproduces AADSTS70011 and related errors: "you probably didn't use the resource/.default
    /// scope".
    fn wrong_scope(&self) -> Result<(), Failure> {
        say!("Did you use the resource/.default scope?");
        let graph = self.graph.target.audience()?.into_owned();
        let one_permission = format!("{graph}/User.Read.All");
        let two_apis = format!("{graph}/.default https://database.windows.net//.default");
        for (scope, code) in [(one_permission, 1_002_012), (two_apis, 70_011)] {
            say!("scope       {scope}");
            // The library reports the error before anything is sent.
            let before = Target::scopes(&scope).and_then(|target| self.application.client_credentials(target));
            let Err(before) = before else {
                return Err(Failure::new("the library accepts a scope that no daemon can request"));
            };
            say!("not sent    {}", printable(&before.to_string()));
            // Sent anyway, as other libraries do.
            let exchange = exchange(&self.application, &self.graph.target)?;
            let response = self.transport.send(with_scope(exchange.request(), &scope))?;
            match exchange.respond(&response, SystemTime::now().into()) {
                Err(error) if error.service().is_some_and(|service| service.codes.contains(&code)) => {
                    say!("if sent     {}", printable(&error.to_string()));
                    say!("what to do  {}", printable(error.hint().unwrap_or_default()));
                }
                Err(error) => return Err(error.into()),
                Ok(Step::Done(_)) => return Err(Failure::new("the service accepted the scope")),
                Ok(_) => return Err(Failure::new("the service is busy").hint("run it again a little later")),
            }
        }
        Ok(())
    }

    /// Reproduces "Insufficient privileges to complete the operation."
    fn forgotten_consent(&self) -> Result<(), Failure> {
        say!("Did you forget to provide admin consent? Daemon apps need it!");
        let web = Web {
            client: self.client.clone(),
            transport: self.transport.clone(),
            target: self.graph.target.clone(),
        };
        for (path, permission) in CALLS {
            let address = format!("{}/v1.0/{path}?$top=1", self.graph.address);
            let address = address.parse().map_err(|_| Failure::new("the address is not a URL"))?;
            let reply = web.get(&address)?;
            if reply.status.is_success() {
                say!("GET {path}: {}, as the application has {permission}", reply.reason());
                continue;
            }
            let failure = reply.failure();
            if failure.hint.as_deref() != Some(FORGOTTEN_CONSENT) {
                return Err(failure);
            }
            say!("GET {path}: needs {permission}");
            say!("Failed to call the web API: {}", reply.reason());
            say!("Content: {}", indented(&reply.body).unwrap_or_default());
            say!("what to do  {FORGOTTEN_CONSENT}");
            return Ok(());
        }
        Err(
            Failure::new("every permission that was tried is granted, so the error does not occur")
                .hint("run it with an application without consent"),
        )
    }

    /// Reproduces the errors in the comments of the document's `MsalUiRequiredException`: too few
    /// permissions at registration, or no consent.
    fn missing_permission(&self, named: Option<Target>) -> Result<(), Failure> {
        say!("Did you declare enough app permissions during app creation?");
        let target = match named {
            Some(target) => target,
            None => Target::resource(NOT_DECLARED)?,
        };
        say!("audience    {}", printable(&target.audience()?));
        let error = match self.client.token(&target) {
            Ok(token) => {
                let claims = UnverifiedClaims::decode(token.expose())?;
                if claims.roles().next().is_some() {
                    return Err(Failure::new(
                        "the application has permissions of this API, so the error does not occur",
                    )
                    .hint("name another API with --resource"));
                }
                say!("a token     without a role");
                say!("what to do  {NO_ROLES}");
                return Ok(());
            }
            Err(error) => error,
        };
        if error.service().is_none() {
            return Err(error.into());
        }
        say!("class       {}", error.class());
        say!("error       {}", printable(&error.to_string()));
        say!("what to do  {}", printable(error.hint().unwrap_or(NO_ROLES)));
        Ok(())
    }
}

/// The hint for a token without roles: the two questions of the document.
pub(crate) const NO_ROLES: &str = "the application has no permission of this API: declare application permissions in the app \
    registration, and have a tenant administrator grant consent";

/// Calls of Microsoft Graph, and the permission that each requires.
const CALLS: [(&str, &str); 2] = [("users", "User.Read.All"), ("applications", "Application.Read.All")];

/// An API that no tenant has.
const NOT_DECLARED: &str = "api://not-in-this-tenant.example";
