//! The command `entra discover`: shows the public information about a tenant.

use clap::Args;
use entra_proto::endpoint::Endpoint;
use entra_proto::{Authority, Cloud, EndpointVersion, Error, Tenant, TokenResponse};
use entra_transport::{BlockingTransport, now};
use serde_json::{Map, Value, json};

use crate::discovery::{self, Document};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, print, print_json};
use crate::listing::{Form, ListOutput, Table};
use crate::message::{warn, warn_only};
use crate::sanitize::without_secrets;
use crate::settings::{CloudSetting, NetworkSettings, cloud_at};
use crate::terminal::{Stream, columns};

/// Show the public information about a tenant: its ID, its cloud and region, and its endpoints.
///
/// No credential is needed, and none is sent. The command reads the OpenID Connect discovery
/// documents of the v2 and the v1 endpoint. An address in them that is not Microsoft's is shown
/// with a warning, and no request is sent to it.
///
/// The members in JSON are tenant_id, asked (the TENANT argument), kind, cloud, authority_host,
/// region_scope, region_sub_scope, graph_host, and v1 and v2 with the endpoints of each document.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra discover contoso.onmicrosoft.com
  entra discover 41463f53-8812-40f4-890f-865bf6e35190 \\
    --authority-host usgovernment
  entra discover contoso.ciamlogin.com -o json")]
pub(crate) struct Arguments {
    /// Tenant: its ID, one of its domains, or the host of an external tenant
    #[arg(value_name = "TENANT")]
    tenant: String,

    #[command(flatten)]
    cloud: CloudSetting,

    #[command(flatten)]
    network: NetworkSettings,

    #[command(flatten)]
    output: ListOutput,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let host = arguments
        .cloud
        .authority_host
        .as_deref()
        .map(str::trim)
        .filter(|host| !host.is_empty());
    let tenant: Tenant = arguments.tenant.parse()?;
    // The host of an external tenant begins with the tenant's name.
    let (cloud, tenant) = match tenant
        .to_string()
        .strip_suffix(EXTERNAL)
        .filter(|name| !name.contains('.'))
    {
        Some(name) if host.is_none() => (
            Cloud::at(&format!("https://{name}{EXTERNAL}"))?,
            format!("{name}.onmicrosoft.com").parse()?,
        ),
        _ => (cloud_at(host.unwrap_or("public"))?, tenant),
    };
    if !tenant.is_specific() {
        return Err(
            Failure::text(Exit::Configuration, format!("{tenant} does not name a specific tenant"))
                .hint("name a tenant by its ID or a domain, such as contoso.onmicrosoft.com"),
        );
    }
    let authority = Authority::new(cloud.clone(), tenant.clone())?;
    let transport = arguments.network.transport()?;
    let document = |version| fetch(&transport, &authority, version);
    let v2 = document(EndpointVersion::V2)?;
    let v1 = match document(EndpointVersion::V1) {
        Ok(v1) => Some(v1),
        Err(failure) => {
            failure.warn("the document of the v1 endpoint cannot be read");
            None
        }
    };
    let found = Found {
        asked: tenant,
        cloud,
        v2,
        v1,
    };
    match arguments.output.form() {
        Form::Json => print_json(&found.to_json())?,
        Form::Table => print(&Table::new(["PROPERTY", "VALUE"], found.rows()).fitted(Stream::Out.width()))?,
        Form::Text => print(&columns(&found.rows()))?,
    }
    found.warn();
    Ok(())
}

fn fetch(
    transport: &dyn BlockingTransport,
    authority: &Authority,
    version: EndpointVersion,
) -> Result<Document, Failure> {
    let url = authority.endpoint(Endpoint::OpenidConfiguration, version);
    let response = transport.send(discovery::request(&url)?)?;
    let (status, body) = (response.status(), response.body().as_bytes());
    if !status.is_success() {
        // Error responses have the same form as those of the token endpoint.
        return Err(match TokenResponse::decode(status, response.headers(), body, now()) {
            Err(error @ Error::Service(_)) => {
                let is_unknown = error
                    .service()
                    .is_some_and(|service| service.codes.iter().any(|code| UNKNOWN.contains(code)));
                let has_code = error
                    .service()
                    .is_some_and(|service| !service.error.is_empty() || !service.codes.is_empty());
                let failure = Failure::from(error);
                if is_unknown {
                    failure.hint("try the other clouds: --authority-host usgovernment or china")
                } else if has_code {
                    failure
                } else {
                    failure.hint(CHECK_HOST)
                }
            }
            _ => unexpected_response(status.as_u16()),
        });
    }
    Document::read(body).ok_or_else(|| unexpected_response(status.as_u16()))
}

fn unexpected_response(status: u16) -> Failure {
    let problem = format!("the response is not a discovery document (status {status})");
    Failure::text(Exit::Token, problem).hint(CHECK_HOST)
}

/// The hint for a response that does not come from Entra.
const CHECK_HOST: &str =
    "check the authority's host, and look for a proxy or a sign-in portal between this machine and the service";

/// The discovery documents of a tenant.
struct Found {
    asked: Tenant,
    cloud: Cloud,
    v2: Document,
    v1: Option<Document>,
}

impl Found {
    /// Returns the kind of tenant, by the hosts in the document.
    fn kind(&self) -> &'static str {
        let hosts = [
            &*self.v2.issuer,
            self.cloud.host(),
            self.v2.text("token_endpoint").unwrap_or_default(),
        ];
        let has = |end: &str| {
            hosts
                .iter()
                .any(|text| text.split(['/', ':']).any(|part| part.ends_with(end)))
        };
        if has(EXTERNAL) {
            "external"
        } else if has(".b2clogin.com") {
            "b2c"
        } else {
            "workforce"
        }
    }

    /// Returns the cloud that issues the tenant's tokens.
    fn authority_host(&self) -> &Cloud {
        self.v2.other_cloud(&self.cloud).unwrap_or(&self.cloud)
    }

    fn documents(&self) -> impl Iterator<Item = (&'static str, &Document)> {
        [("v2", Some(&self.v2)), ("v1", self.v1.as_ref())]
            .into_iter()
            .filter_map(|(name, document)| Some((name, document?)))
    }

    fn rows(&self) -> Vec<[String; 2]> {
        let member = |name: &str| self.v2.text(name).map(|text| excerpt(text, 200));
        let mut rows = vec![
            ("tenant", self.v2.tenant_id.map(|id| id.to_string())),
            ("requested as", Some(self.asked.to_string())),
            ("kind", Some(self.kind().to_owned())),
            ("cloud", member("cloud_instance_name")),
            ("authority host", Some(self.authority_host().origin().to_owned())),
            ("region scope", member("tenant_region_scope")),
            ("sub-scope", member("tenant_region_sub_scope")),
            ("graph host", member("msgraph_host")),
        ]
        .into_iter()
        .map(|(label, value)| [label.to_owned(), value.unwrap_or_else(|| "unknown".to_owned())])
        .collect::<Vec<_>>();
        for (version, document) in self.documents() {
            for (member, label) in MEMBERS {
                if let Some(text) = document.text(member) {
                    rows.push([format!("{version} {label}"), excerpt(text, 300)]);
                }
            }
        }
        rows
    }

    fn to_json(&self) -> Value {
        let member = |name: &str| self.v2.text(name).map(without_secrets);
        let mut object = json!({
            "tenant_id": self.v2.tenant_id.map(|id| id.to_string()),
            "asked": self.asked.to_string(),
            "kind": self.kind(),
            "cloud": member("cloud_instance_name"),
            "authority_host": self.authority_host().origin(),
            "region_scope": member("tenant_region_scope"),
            "region_sub_scope": member("tenant_region_sub_scope"),
            "graph_host": member("msgraph_host"),
        });
        for (version, document) in self.documents() {
            let members = MEMBERS
                .iter()
                .filter_map(|(name, _)| Some(((*name).to_owned(), without_secrets(document.text(name)?).into())));
            object[version] = members.collect::<Map<String, Value>>().into();
        }
        object
    }

    fn warn(&self) {
        if let Some(other) = self.v2.other_cloud(&self.cloud) {
            let problem = format!("the tenant is in another cloud than {}", self.cloud.origin());
            warn(
                problem,
                format!("use --authority-host {} with other commands", other.origin()),
            );
        }
        if let (Tenant::Id(asked), Some(found)) = (&self.asked, self.v2.tenant_id)
            && *asked != found
        {
            warn(
                format!("the request was for tenant {asked}, but the authority described {found}"),
                "check the authority's host: it does not behave like Entra",
            );
        }
        for (version, document) in self.documents() {
            for (member, url) in document.unknown_addresses(&self.cloud) {
                warn(
                    format!(
                        "{version}: {} is at an address that is not Microsoft's: {}",
                        excerpt(member, 60),
                        excerpt(url, 200)
                    ),
                    "do not send requests to it unless you know who runs it",
                );
            }
        }
        match &self.v2.endpoint {
            Some(other) if matches!(self.cloud, Cloud::Custom(_)) && *other != self.cloud => {
                warn_only(format!(
                    "its tokens come from {}, not from {}",
                    other.origin(),
                    self.cloud.origin()
                ));
            }
            _ => {}
        }
    }
}

/// The members of a document that are shown, with their labels.
const MEMBERS: [(&str, &str); 7] = [
    ("issuer", "issuer"),
    ("authorization_endpoint", "authorize"),
    ("token_endpoint", "token"),
    ("device_authorization_endpoint", "device code"),
    ("jwks_uri", "keys"),
    ("userinfo_endpoint", "user info"),
    ("end_session_endpoint", "sign out"),
];

/// The suffix of the hosts of external tenants.
const EXTERNAL: &str = ".ciamlogin.com";

/// The AADSTS codes for a tenant that the cloud does not know.
const UNKNOWN: [u32; 2] = [90_002, 900_023];
