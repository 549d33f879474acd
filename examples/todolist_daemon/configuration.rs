//! The meaning of the samples' settings: the application, the target of its tokens, and the address
//! of the list.

use std::fs;
use std::path::{Path, PathBuf};

use entra_client::blocking::Client;
use entra_credential::{ClientCertificate, MAX_FILE, ThumbprintKey};
use entra_proto::assertion::{CertificateCredential, SigningAlgorithm};
use entra_proto::endpoint::Origin;
use entra_proto::{Application, Authority, ClientCredential, ClientSecret, Cloud, Scope, Target};
use entra_transport::cloud_from_env;
use entra_transport_ureq::UreqTransport;
use http::Uri;

use crate::common::config::appsettings::{AppSettings, Setting};
use crate::common::config::{Entry, dotenv, is_placeholder, read_text};
use crate::common::{self, Failure, Web, note, optional, warn};
use crate::todo::Service;

/// The configuration of a form.
pub(crate) struct Configuration {
    application: Application,
    target: Target,
    endpoint: String,
}

impl Configuration {
    /// Reads and checks the settings of the .NET sample, without sending anything.
    pub(crate) fn of_dotnet(path: Option<&Path>) -> Result<Self, Failure> {
        let folder = path.and_then(Path::parent).unwrap_or_else(|| Path::new(""));
        Self::of_settings(&AppSettings::read(path)?, folder)
    }

    fn of_settings(settings: &AppSettings, folder: &Path) -> Result<Self, Failure> {
        let authority = match (settings.text("AzureAd:Authority")?, settings.text("AzureAd:Instance")?) {
            (Some(authority), _) => Some(authority_of(&authority)?),
            (None, Some(instance)) => match settings.text("AzureAd:TenantId")? {
                Some(tenant) => {
                    let cloud = Cloud::from_setting(instance.value.trim()).map_err(failed_at(&instance.place))?;
                    let tenant = tenant.value.trim().parse().map_err(failed_at(&tenant.place))?;
                    Some(Authority::new(cloud, tenant)?)
                }
                // The address of an external tenant names the tenant.
                None => Some(authority_of(&instance)?),
            },
            (None, None) => None,
        };
        let client_id = settings.text("AzureAd:ClientId")?;
        let credential = dotnet_credential(settings, folder)?;

        let section = match settings.has("DownstreamApi") {
            true => "DownstreamApi",
            // The name of the section in an older version of the sample.
            false if settings.has("ToDoApi") => "ToDoApi",
            false => "DownstreamApi",
        };
        let endpoint = match settings.text(&format!("{section}:BaseUrl"))? {
            None => None,
            Some(base) => {
                let path = settings.text(&format!("{section}:RelativePath"))?;
                let path = path.map_or_else(|| "api/todolist".to_owned(), |path| path.value);
                let (base_url, path) = (base.value.trim().trim_end_matches('/'), path.trim().trim_matches('/'));
                Some(Setting {
                    value: format!("{base_url}/{path}"),
                    place: base.place,
                })
            }
        };
        let scopes = settings.names(&format!("{section}:Scopes"))?.map(|scopes| Setting {
            value: scopes.value.join(" "),
            place: scopes.place,
        });
        Self::new(
            authority,
            client_id,
            credential,
            match scopes {
                Some(scopes) => Some(scopes),
                None => variable("SCOPES")?.map(with_default),
            },
            match endpoint {
                Some(endpoint) => Some(endpoint),
                None => variable("API_ENDPOINT")?,
            },
            "appsettings.json",
        )
    }

    /// Reads and checks the settings of the Node sample, without sending anything.
    pub(crate) fn of_node(path: Option<&Path>) -> Result<Self, Failure> {
        let settings = DotEnv::read(path)?;
        if settings
            .get("NODE_TLS_REJECT_UNAUTHORIZED")?
            .is_some_and(|set| set.value == "0")
        {
            warn(
                "NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect: certificates are always verified; put the API's certificate into SSL_CERT_FILE",
            );
        }
        let authority = settings
            .get("AUTHORITY")?
            .map(|authority| authority_of(&authority))
            .transpose()?;
        let credential = match (settings.get("CLIENT_SECRET")?, settings.get("CERT_PRIVATE_KEY_FILE")?) {
            (Some(secret), Some(key)) => {
                return Err(Failure::new(format!("both {} and {} are set", secret.place, key.place))
                    .hint("keep the one that the application uses: the certificate, if it has one"));
            }
            (Some(secret), None) => Some(from_secret(secret)?),
            (None, Some(key)) => {
                let thumbprint = settings.get("CERT_THUMBPRINT")?.ok_or_else(|| {
                    Failure::new("CERT_THUMBPRINT is not set").hint("set it to the thumbprint of the key's certificate")
                })?;
                Some(from_key(&settings.folder.join(&key.value), &thumbprint.value).map_err(|it| it.at(&key.place))?)
            }
            (None, None) => None,
        };
        Self::new(
            authority,
            settings.get("CLIENT_ID")?,
            credential,
            settings.get("SCOPES")?.map(with_default),
            settings.get("API_ENDPOINT")?,
            ".env",
        )
    }

    fn new(
        authority: Option<Authority>,
        client_id: Option<Setting<String>>,
        credential: Option<ClientCredential>,
        scopes: Option<Setting<String>>,
        endpoint: Option<Setting<String>>,
        file: &str,
    ) -> Result<Self, Failure> {
        let missing = |what: &str, variable: &str| {
            Failure::new(format!("{what} is not set")).hint(format!(
                "fill in {file} as the document has it, name the file with --config, or set the variable {variable}"
            ))
        };
        let needed = |what: &str, setting: Option<Setting<String>>, name: &str| match setting {
            Some(setting) => Ok(setting),
            None => variable(name)?.ok_or_else(|| missing(what, name)),
        };
        let authority = match authority {
            Some(authority) => authority,
            None => {
                let tenant = needed("the authority", None, "AZURE_TENANT_ID")?;
                Authority::new(
                    cloud_from_env()?,
                    tenant.value.parse().map_err(failed_at(&tenant.place))?,
                )?
            }
        };
        let client_id = needed("the client ID", client_id, "AZURE_CLIENT_ID")?;
        let credential = match credential {
            Some(credential) => credential,
            None => common::credential()?,
        };
        let application = Application::new(
            authority,
            client_id.value.trim().parse().map_err(failed_at(&client_id.place))?,
            credential,
        );
        let scopes = scopes.ok_or_else(|| missing("the scope", "SCOPES"))?;
        let target = Target::scopes(&scopes.value).map_err(failed_at(&scopes.place))?;
        let endpoint = endpoint.ok_or_else(|| missing("the address of the API", "API_ENDPOINT"))?;
        let address = checked(&target, endpoint.value.trim()).map_err(|failure| failure.at(&endpoint.place))?;
        Ok(Self {
            application,
            target,
            endpoint: address,
        })
    }

    /// Returns the API, ready to be called.
    pub(crate) fn service(self) -> Result<Service, Failure> {
        let cloud = self.application.authority().cloud().clone();
        let transport = UreqTransport::builder().for_cloud(&cloud);
        let transport = match is_plain(&self.endpoint) {
            // `checked` has ensured that it is on this machine.
            true => transport.allow_plain_loopback(true),
            false => transport,
        };
        let transport = transport.build()?;
        Ok(Service {
            web: Web {
                client: Client::new(self.application, transport.clone()),
                transport,
                target: self.target,
            },
            endpoint: self.endpoint,
        })
    }
}

fn authority_of(setting: &Setting<String>) -> Result<Authority, Failure> {
    // Like `AZURE_AUTHORITY_HOST`: an emulator on this machine may use plain http.
    Authority::from_setting(&setting.value).map_err(failed_at(&setting.place))
}

/// Returns the first credential in the section `ClientCredentials`, as the sample does.
fn dotnet_credential(settings: &AppSettings, folder: &Path) -> Result<Option<ClientCredential>, Failure> {
    let list = "AzureAd:ClientCredentials";
    if settings.count(list) == 0 && !settings.has("AzureAd:ClientCredentials:0") {
        return settings.text("AzureAd:ClientSecret")?.map(from_secret).transpose();
    }
    let member = |name: &str| format!("{list}:0:{name}");
    let needed = |name: &str| {
        settings
            .text(&member(name))?
            .ok_or_else(|| settings.missing(&member(name), ""))
    };
    let source = needed("SourceType")?;
    match source.value.to_ascii_lowercase().as_str() {
        "clientsecret" => needed("ClientSecret").and_then(from_secret).map(Some),
        "path" => {
            let path = needed("CertificateDiskPath")?;
            let password = settings
                .text(&member("CertificatePassword"))?
                .map(|password| password.value);
            let file = folder.join(&path.value);
            let certificate =
                ClientCertificate::read(&bytes(&file).map_err(|it| it.at(&path.place))?, password.as_deref());
            Ok(Some(
                certificate
                    .map_err(|error| Failure::from(error).at(&path.place))?
                    .into(),
            ))
        }
        _ => Err(Failure::new("is a source that this program does not support")
            .hint("write ClientSecret, or Path with CertificateDiskPath")
            .at(&source.place)),
    }
}

fn from_secret(setting: Setting<String>) -> Result<ClientCredential, Failure> {
    let place = setting.place;
    let secret = ClientSecret::new(setting.value).map_err(failed_at(&place))?;
    if let Some(doubt) = secret.doubt() {
        warn(&format!("{place}: {doubt}; {}", doubt.hint()));
    }
    Ok(secret.into())
}

fn from_key(path: &Path, thumbprint: &str) -> Result<ClientCredential, Failure> {
    let signer = ThumbprintKey::read(&bytes(path)?, None, thumbprint)?;
    // The only algorithm that identifies a certificate by its SHA-1 thumbprint.
    let credential = CertificateCredential::new(signer).with_algorithm(SigningAlgorithm::Rs256);
    Ok(credential.into())
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |problem: String| Failure::new(format!("{}: {problem}", path.display())).hint("check the path");
    let length = fs::metadata(path)
        .map_err(|error| failed(format!("cannot be read: {error}")))?
        .len();
    if length > MAX_FILE as u64 {
        return Err(failed("is too long for a certificate".to_owned()));
    }
    fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))
}

/// Appends `/.default` to the identifier of the API, as the sample's code does.
fn with_default(mut scope: Setting<String>) -> Setting<String> {
    let value = scope.value.trim();
    scope.value = match Scope::resource_of_default(value) {
        Some(_) => value.to_owned(),
        None => format!("{value}/.default"),
    };
    scope
}

/// Checks that a token for the target may be sent to this address. Returns it without a trailing
/// slash.
fn checked(target: &Target, address: &str) -> Result<String, Failure> {
    let wrong = |problem: &str| Failure::new(problem).hint("write it as https://localhost:44351/api/todolist");
    let uri: Uri = address.parse().map_err(|_| wrong("is not a URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong("has no scheme or no host"));
    };
    if uri.query().is_some() {
        return Err(wrong("has a query"));
    }
    let origin: Origin = format!("{scheme}://{authority}").parse()?;
    if !origin.is_https() && !origin.is_loopback() {
        return Err(Failure::new("is plain http, which would send the token in the clear").hint("write https"));
    }
    let audience = target.audience()?;
    // An identifier such as api://.. names no host.
    if audience.starts_with("https://") && audience.parse::<Origin>().is_ok_and(|own| own != origin) {
        return Err(
            Failure::new(format!("is at {}, and the token is for {audience}", origin.as_str()))
                .hint("call the API that the scope names: another host could use the token there"),
        );
    }
    Ok(address.trim_end_matches('/').to_owned())
}

fn is_plain(address: &str) -> bool {
    address.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http"))
}

/// The settings of the Node sample. Variables take precedence over the file, as in the package
/// dotenv.
struct DotEnv {
    folder: PathBuf,
    file: String,
    entries: Vec<Entry>,
}

impl DotEnv {
    fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let default = Path::new(".env");
        let path = match path {
            Some(path) => Some(path),
            // This includes a file that cannot be inspected: the error on reading it says why.
            None => (!matches!(default.try_exists(), Ok(false))).then_some(default),
        };
        let Some(path) = path else {
            return Ok(Self {
                folder: PathBuf::new(),
                file: String::new(),
                entries: Vec::new(),
            });
        };
        let file = path.display().to_string();
        let text = read_text(path).map_err(|failure| failure.at(&file))?;
        let entries = dotenv::parse(&text).map_err(|failure| failure.at(&file))?;
        note(&format!("configuration from {file}"));
        Ok(Self {
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            file,
            entries,
        })
    }

    /// Returns a setting. An empty setting counts as not set.
    fn get(&self, name: &str) -> Result<Option<Setting<String>>, Failure> {
        if let Some(setting) = variable(name)? {
            return Ok(Some(setting));
        }
        // The last one takes effect.
        let entry = self.entries.iter().rev().find(|entry| entry.key == name);
        let Some(entry) = entry.filter(|entry| !entry.value.trim().is_empty()) else {
            return Ok(None);
        };
        let place = match entry.line {
            Some(line) => format!("{name} ({}, line {line})", self.file),
            None => format!("{name} ({})", self.file),
        };
        filled(entry.value.clone(), place).map(Some)
    }
}

fn variable(name: &str) -> Result<Option<Setting<String>>, Failure> {
    let value = optional(name)?;
    value
        .map(|value| filled(value, format!("the variable {name}")))
        .transpose()
}

fn filled(value: String, place: String) -> Result<Setting<String>, Failure> {
    if is_placeholder(&value) {
        return Err(Failure::new("is still a placeholder of the sample")
            .hint("replace it with the value of the app registration")
            .at(&place));
    }
    Ok(Setting { value, place })
}

fn failed_at(place: &str) -> impl Fn(entra_proto::Error) -> Failure {
    move |error| Failure::from(error).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authority: &str, scope: &str, base: &str) -> Result<Configuration, Failure> {
        let text = format!(
            r#"{{"AzureAd": {{ {authority}, "ClientId": "00001111-aaaa-2222-bbbb-3333cccc4444", "ClientSecret": "x8Q~secret" }},
                "DownstreamApi": {{ "BaseUrl": "{base}", "RelativePath": "/api/todolist/", "Scopes": ["{scope}"] }} }}"#
        );
        Configuration::of_settings(&AppSettings::of(&text), Path::new(""))
    }

    #[test]
    fn external_tenant_is_identified_by_its_host() {
        let scope = "api://22223333-cccc-4444-dddd-5555eeee6666/.default";
        for (authority, tenant) in [
            (
                r#""Authority": "https://contoso.ciamlogin.com/""#,
                "contoso.onmicrosoft.com",
            ),
            (
                r#""Instance": "https://contoso.ciamlogin.com""#,
                "contoso.onmicrosoft.com",
            ),
            (
                r#""Instance": "https://contoso.ciamlogin.com/", "TenantId": "aaaabbbb-0000-cccc-1111-dddd2222eeee""#,
                "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            ),
        ] {
            let read = read(authority, scope, "https://localhost:44351/").unwrap();
            let application = &read.application;
            assert_eq!(
                application
                    .authority()
                    .token_endpoint(application.version())
                    .to_string(),
                format!("https://contoso.ciamlogin.com/{tenant}/oauth2/v2.0/token")
            );
            assert_eq!(read.endpoint, "https://localhost:44351/api/todolist");
        }
    }

    #[test]
    fn token_is_sent_to_its_own_api_only() {
        let authority = r#""Authority": "https://contoso.ciamlogin.com/""#;
        for (scope, base, is_good) in [
            ("api://todo/.default", "https://todo.contoso.example", true),
            ("api://todo/.default", "http://127.0.0.1:44351", true),
            (
                "https://todo.contoso.example/.default",
                "https://todo.contoso.example/",
                true,
            ),
            (
                "https://graph.microsoft.com/.default",
                "https://todo.contoso.example",
                false,
            ),
            ("api://todo/.default", "http://todo.contoso.example", false),
            ("api://todo/.default", "https://todo.contoso.example/?x=", false),
            ("api://todo/.default", "todo.contoso.example", false),
            ("api://todo/.default", "ftp://todo.contoso.example", false),
        ] {
            assert_eq!(read(authority, scope, base).is_ok(), is_good, "{scope} {base}");
        }
    }
}
