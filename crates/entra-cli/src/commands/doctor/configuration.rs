//! The checks of the settings: authority, tenant, client ID, target, region and network.

use std::env;

use entra_proto::endpoint::{Endpoint, Region};
use entra_proto::{Application, Authority, ClientId, ClientSecret, Cloud, EndpointVersion, Guid, Target, Tenant};
use entra_transport::tls::{self, Trust};
use entra_transport::{Proxies, TransportPolicy};
use entra_transport_ureq::UreqTransport;
use http::Uri;

use crate::commands::doctor::credential::Credential;
use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::{Arguments, name};
use crate::exit::Failure;
use crate::requests::Logged;
use crate::settings::authority_doubt;
use crate::source::Source;

/// The settings that passed their checks; `None` for a setting that failed.
pub(crate) struct Configuration {
    pub(crate) cloud: Option<Cloud>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) target: Option<Target>,
    /// The authority that issues tokens, with its region.
    pub(crate) authority: Option<Authority>,
    /// The URL of the discovery document of the tenant, or of `common` if the tenant is unusable:
    /// then it only shows that the authority responds.
    pub(crate) discovery: Option<String>,
    pub(crate) network: Option<Network>,
}

/// The transport, and the proxy that it uses for the authority.
pub(crate) struct Network {
    pub(crate) transport: Logged<UreqTransport>,
    /// The proxy for the authority as `host:port`, and the variable that names it.
    pub(crate) proxy: Option<(String, String)>,
}

impl Configuration {
    /// Checks each setting and adds the results to the report.
    pub(crate) fn examine(
        arguments: &Arguments,
        credential: &Credential,
        report: &mut Report,
    ) -> Result<Self, Failure> {
        let application = &arguments.application.settings;
        let (cloud, tenant, client_id) = (application.cloud(), application.tenant(), application.client_id());
        // If the profile cannot be read, the checks of the settings report it.
        let version = application.version().unwrap_or(EndpointVersion::V2);

        let setting = |argument: &str, check: Check| setting(arguments, argument, check);
        let mut authority = setting("authority_host", describe_cloud(&cloud));
        if origin(arguments, "authority_host") == Source::Default
            && let Some((problem, fix)) = authority_doubt()
        {
            authority = authority.with_warning(&problem, fix);
        }
        report.add(authority)?;
        let cloud = cloud.ok();
        let tenant = tenant.and_then(|tenant| specific(cloud.as_ref(), tenant));
        report.add(setting("tenant", describe_tenant(&tenant, client_id.as_ref().ok())))?;
        report.add(setting("client_id", describe_client_id(&client_id)))?;
        report.add(credential.describe())?;
        let tenant = tenant.ok();
        let target = examine_target(arguments, version, report)?;
        let authority = examine_region(arguments, cloud.as_ref(), tenant.as_ref(), report)?;
        let network = examine_network(arguments, cloud.as_ref(), report)?;
        let discovery = cloud
            .clone()
            .map(|cloud| Authority::new(cloud, tenant.clone().unwrap_or(Tenant::Common)))
            .transpose()?
            .map(|authority| authority.endpoint(Endpoint::OpenidConfiguration, version));
        Ok(Self {
            cloud,
            tenant,
            client_id: client_id.ok(),
            target,
            authority,
            network,
            discovery,
        })
    }
}

/// Returns the source of a setting of the application.
fn origin(arguments: &Arguments, argument: &str) -> Source {
    arguments.application.origin(argument).unwrap_or(Source::Default)
}

/// Adds the source of a setting to its check, and a warning if other programs may misread it.
fn setting(arguments: &Arguments, argument: &str, check: Check) -> Check {
    let application = &arguments.application;
    let check = check.with_source(origin(arguments, argument));
    if application.has_blanks(argument) {
        check.with_warning(
            "there is white space around it",
            "remove the white space: this command ignores it, other programs may not",
        )
    } else {
        check
    }
}

fn describe_cloud(cloud: &Result<Cloud, Failure>) -> Check {
    let cloud = match cloud {
        Ok(cloud) => cloud,
        Err(failure) => return Check::failure(name::AUTHORITY, failure, "name a cloud: public, usgovernment or china"),
    };
    let origin = cloud.origin();
    let found = match cloud {
        Cloud::Public => format!("{origin}, the public cloud"),
        Cloud::UsGovernment => format!("{origin}, the cloud of the US government"),
        Cloud::China => format!("{origin}, the cloud in China"),
        _ => origin.to_owned(),
    };
    Check::ok(name::AUTHORITY, found).with("origin", origin)
}

fn describe_tenant(tenant: &Result<Tenant, Failure>, client_id: Option<&ClientId>) -> Check {
    let check = match tenant {
        Ok(tenant) => Check::ok(name::TENANT, tenant.to_string()),
        Err(failure) => {
            let fix = "name the tenant by its id or one of its domains, such as contoso.onmicrosoft.com";
            return Check::failure(name::TENANT, failure, fix);
        }
    };
    match (tenant, client_id) {
        (Ok(Tenant::Id(tenant)), Some(client_id)) if *tenant == client_id.guid() => check.with_warning(
            "it is equal to the client ID",
            "copy \"Directory (tenant) ID\" and \"Application (client) ID\" from the app registration's overview page again",
        ),
        _ => check,
    }
}

fn describe_client_id(client_id: &Result<ClientId, Failure>) -> Check {
    match client_id {
        Ok(client_id) => Check::ok(name::CLIENT_ID, client_id.to_string()),
        Err(failure) => Check::failure(
            name::CLIENT_ID,
            failure,
            "copy \"Application (client) ID\" from the app registration's overview page",
        ),
    }
}

/// Returns the tenant.
///
/// # Errors
/// Returns an error if client credentials cannot be used with it: `common`, for example.
fn specific(cloud: Option<&Cloud>, tenant: Tenant) -> Result<Tenant, Failure> {
    let authority = Authority::new(cloud.cloned().unwrap_or_default(), tenant.clone())?;
    placeholder_application(authority)?.client_credentials(Target::resource(SOME_API)?)?;
    Ok(tenant)
}

fn examine_target(
    arguments: &Arguments,
    version: EndpointVersion,
    report: &mut Report,
) -> Result<Option<Target>, Failure> {
    let examined = |target: Target| {
        let authority = Authority::new(Cloud::Public, Tenant::Id(Guid::from_bytes([1; 16])))?;
        let request = placeholder_application(authority)?.client_credentials(target.clone())?;
        if let Some(claims) = &arguments.claims {
            request.with_claims(claims)?;
        }
        let (parameter, value) = target.wire_parameter(version)?;
        let found = format!("{}, requested by {parameter}={value}", target.audience()?);
        Ok::<_, Failure>((target, found))
    };
    let source = match arguments.target.source("scope") {
        Source::Default => arguments.target.source("resource"),
        scope => scope,
    };
    match arguments.target.settings.target().and_then(examined) {
        Ok((target, found)) => {
            let audience = target.audience()?.into_owned();
            report.add(
                Check::ok(name::TARGET, found)
                    .with("audience", audience)
                    .with_source(source),
            )?;
            Ok(Some(target))
        }
        Err(failure) => {
            let fix =
                "name one API: --resource https://graph.microsoft.com, or --scope https://graph.microsoft.com/.default";
            report.add(Check::failure(name::TARGET, &failure, fix).with_source(source))?;
            Ok(None)
        }
    }
}

/// Checks the region, and returns the authority for token requests.
fn examine_region(
    arguments: &Arguments,
    cloud: Option<&Cloud>,
    tenant: Option<&Tenant>,
    report: &mut Report,
) -> Result<Option<Authority>, Failure> {
    let at = |tenant: &Tenant| {
        cloud
            .map(|cloud| Authority::new(cloud.clone(), tenant.clone()))
            .transpose()
    };
    let authority = |region: Option<Region>| {
        let Some(region) = region else {
            return Ok((None, tenant.map(at).transpose()?.flatten()));
        };
        // The tenant does not matter for whether the cloud has regions.
        let regional = at(tenant.unwrap_or(&Tenant::Common))?
            .map(|authority| authority.with_region(region.clone()))
            .transpose()?;
        Ok::<_, Failure>((Some(region), regional.filter(|_| tenant.is_some())))
    };
    let settings = &arguments.application.settings;
    let found = settings.region(&arguments.network.settings).and_then(|found| {
        let (region, authority) = authority(found.region)?;
        Ok((region, found.source, found.warnings, authority))
    });
    let (check, authority) = match found {
        Ok((region, source, warnings, authority)) => {
            let name = region.as_ref().map_or("none", Region::as_str);
            let check = match source {
                Some(source) => Check::ok(name::REGION, format!("{name}, detected by {source}")),
                None => Check::ok(name::REGION, name),
            };
            let fix = "name the region with --region; otherwise the global endpoint is used";
            let warned = |check: Check, problem: &_| check.with_warning(&format!("not detected: {problem}"), fix);
            (warnings.iter().fold(check, warned), authority)
        }
        Err(failure) => (Check::failure(name::REGION, &failure, "leave the region out"), None),
    };
    report.add(check.with_source(origin(arguments, "region")))?;
    Ok(authority)
}

pub(super) fn examine_network(
    arguments: &Arguments,
    cloud: Option<&Cloud>,
    report: &mut Report,
) -> Result<Option<Network>, Failure> {
    let settings = &arguments.network.settings;
    let built = settings
        .transport()
        .and_then(|transport| Ok((transport, Proxies::from_env()?)));
    let (transport, proxies) = match built {
        Ok(built) => built,
        Err(failure) => {
            let fix = "name a PEM file with --ca-file, and a proxy as http://host:port in HTTPS_PROXY";
            report.add(Check::failure(name::NETWORK, &failure, fix))?;
            return Ok(None);
        }
    };
    let variable = Proxies::VARIABLES
        .into_iter()
        .find(|name| env::var(name).is_ok_and(|value| !value.trim().is_empty()))
        .unwrap_or_default();
    let uri = cloud.and_then(|cloud| cloud.origin().parse::<Uri>().ok());
    let through = uri.is_some_and(|uri| proxies.for_uri(&uri).is_some());
    // Only the host and port: the setting may contain a password.
    let proxy = proxies
        .proxy()
        .map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
    let route = match &proxy {
        None => "no proxy".to_owned(),
        Some(proxy) if through => format!("through the proxy {proxy} ({variable})"),
        Some(proxy) => format!("not through the proxy {proxy} ({variable}), which is not for this host"),
    };
    let named = tls::named();
    let missing = named.is_some() && Trust::default().certificates(&TransportPolicy::default()).is_err();
    let mut roots = match &named {
        Some((name, path)) => format!("the roots in {} ({name})", path.display()),
        None => "the system's roots".to_owned(),
    };
    if let Some(path) = settings.ca_file() {
        roots = format!("{roots} and those in {} (--ca-file)", path.display());
    }
    let timeout = (settings.timeout(), arguments.network.source("timeout"));
    let found = format!(
        "{route}; trusts {roots}; request timeout {} s ({})",
        timeout.0, timeout.1
    );
    let mut check = Check::ok(name::NETWORK, found).with("timeout", timeout.0);
    if missing {
        check = check.with_warning(
            "no certificates were found there",
            "check the path in SSL_CERT_FILE or SSL_CERT_DIR, or unset it",
        );
    }
    if let Some(proxy) = &proxy {
        check = check.with("proxy", proxy.as_str()).with("proxied", through);
    }
    report.add(check)?;
    Ok(Some(Network {
        transport,
        proxy: proxy.filter(|_| through).map(|proxy| (proxy, variable.to_owned())),
    }))
}

/// Returns an application that never sends a request. An error that it reports while a request is
/// built is a fault of the tenant or the target.
fn placeholder_application(authority: Authority) -> Result<Application, Failure> {
    let id = ClientId::from(Guid::from_bytes([1; 16]));
    Ok(Application::new(authority, id, ClientSecret::new("none")?))
}

const SOME_API: &str = "https://graph.microsoft.com";
