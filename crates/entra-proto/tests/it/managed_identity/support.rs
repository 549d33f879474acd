//! A machine made of tables, and a script of responses on a virtual clock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_proto::acquire::{Delivery, RetryPolicy, SendFailure, Step};
use entra_proto::error::{ManagedIdentityError, ManagedIdentityErrorKind};
use entra_proto::managed_identity::{
    Host, Identity, LocalRoute, ManagedIdentity, ManagedIdentityRequest, Platform, Source,
};
use entra_proto::report::Report;
use entra_proto::{Body, Error, Guid, Target, Timestamp, TokenResponse};
use http::{Request, Response};
use zeroize::Zeroizing;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
pub(crate) const ID: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const RESOURCE_ID: &str = "/subscriptions/s/x";
pub(crate) const VAULT: &str = "https://vault.azure.net";
/// The secret in the variables of every machine.
pub(crate) const CANARY: &str = "canary~Secret~1";
/// A success of any platform.
pub(crate) const TOKEN: &str = r#"{"access_token":"a.b.c","expires_on":"1767312000","token_type":"Bearer"}"#;
/// A thumbprint of a certificate.
pub(crate) const PIN: &str = "84E05C1D98BCE3A5421D225B140B36E86A3D5534";

/// A machine of tables. Its clones are the same machine.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<Tables>);

#[derive(Default)]
struct Tables {
    variables: Mutex<BTreeMap<String, OsString>>,
    files: Mutex<Vec<PathBuf>>,
    keys: Mutex<BTreeMap<PathBuf, Result<Vec<u8>, io::ErrorKind>>>,
    opened: Mutex<Vec<PathBuf>>,
    platform: Mutex<Option<Platform>>,
}

impl Machine {
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let machine = Self::default();
        for (name, value) in variables {
            machine.set(name, value);
        }
        machine
    }

    /// A machine with the variables of this source.
    pub(crate) fn of(source: Source) -> Self {
        let machine = Self::new(match source {
            Source::AppService => &[
                ("IDENTITY_ENDPOINT", "http://127.0.0.1:41564/msi/token/"),
                ("IDENTITY_HEADER", CANARY),
            ],
            Source::ServiceFabric => &[
                (
                    "IDENTITY_ENDPOINT",
                    "https://localhost:2377/metadata/identity/oauth2/token",
                ),
                ("IDENTITY_HEADER", CANARY),
                ("IDENTITY_SERVER_THUMBPRINT", PIN),
            ],
            Source::MachineLearning => &[
                ("MSI_ENDPOINT", "http://localhost:7071/msi/token"),
                ("MSI_SECRET", CANARY),
            ],
            Source::CloudShell => &[("MSI_ENDPOINT", "http://localhost:50342/oauth2/token")],
            _ => &[],
        });
        if source == Source::Arc {
            machine.0.files.lock().unwrap().push("/opt/azcmagent/bin/himds".into());
            machine.with_key("/var/opt/azcmagent/tokens/k.key", CANARY.as_bytes());
        }
        machine
    }

    pub(crate) fn set(&self, name: &str, value: impl Into<OsString>) {
        self.0.variables.lock().unwrap().insert(name.to_owned(), value.into());
    }

    pub(crate) fn on(self, platform: Platform) -> Self {
        *self.0.platform.lock().unwrap() = Some(platform);
        self
    }

    pub(crate) fn with_file(self, path: &str) -> Self {
        self.0.files.lock().unwrap().push(path.into());
        self
    }

    pub(crate) fn with_key(&self, path: &str, content: &[u8]) {
        self.0.keys.lock().unwrap().insert(path.into(), Ok(content.to_vec()));
    }

    pub(crate) fn with_unreadable_key(&self, path: &str, kind: io::ErrorKind) {
        self.0.keys.lock().unwrap().insert(path.into(), Err(kind));
    }

    /// The key files that were opened.
    pub(crate) fn opened(&self) -> Vec<PathBuf> {
        self.0.opened.lock().unwrap().clone()
    }

    pub(crate) fn identity(&self, identity: Identity) -> ManagedIdentity {
        ManagedIdentity::new(identity, self.clone())
    }

    pub(crate) fn system(&self) -> ManagedIdentityRequest {
        self.identity(Identity::system()).request(vault()).unwrap()
    }
}

impl Host for Machine {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.variables.lock().unwrap().get(name).cloned()
    }

    fn file_exists(&self, path: &Path) -> bool {
        self.0.files.lock().unwrap().iter().any(|file| file == path)
    }

    fn read_key_file(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        self.0.opened.lock().unwrap().push(path.to_owned());
        match self.0.keys.lock().unwrap().get(path) {
            Some(Ok(content)) => Ok(Zeroizing::new(content.clone())),
            Some(Err(kind)) => Err((*kind).into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn platform(&self) -> Platform {
        self.0.platform.lock().unwrap().unwrap_or(Platform::Linux)
    }
}

pub(crate) fn vault() -> Target {
    Target::resource(VAULT).unwrap()
}

pub(crate) fn client_id() -> Identity {
    Identity::client_id(ID.parse().unwrap())
}

pub(crate) fn object_id() -> Identity {
    Identity::object_id(ID.parse().unwrap())
}

pub(crate) fn resource_id() -> Identity {
    Identity::resource_id(RESOURCE_ID).unwrap()
}

/// The reaction to one request.
#[derive(Clone)]
pub(crate) enum Network {
    Responds(u16, Vec<(&'static str, String)>, Vec<u8>),
    Fails(SendFailure),
}

pub(crate) const DOWN: Network = Network::Fails(SendFailure::transient(Delivery::NotSent));
pub(crate) const BROKEN: Network = Network::Fails(SendFailure::transient(Delivery::MaybeSent));
pub(crate) const IMPOSSIBLE: Network = Network::Fails(SendFailure::permanent(Delivery::NotSent));
pub(crate) const UNREADABLE: Network = Network::Fails(SendFailure::permanent(Delivery::MaybeSent));

pub(crate) fn responds(status: u16, body: impl Into<Vec<u8>>) -> Network {
    Network::Responds(status, Vec::new(), body.into())
}

pub(crate) fn later(status: u16, seconds: &str) -> Network {
    Network::Responds(status, vec![("retry-after", seconds.to_owned())], Vec::new())
}

pub(crate) fn challenge(file: &str) -> Network {
    Network::Responds(
        401,
        vec![("www-authenticate", format!("Basic realm={file}"))],
        Vec::new(),
    )
}

/// A request as it was sent: its method and URI, its headers in order, and its body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub line: String,
    pub headers: Vec<String>,
    pub body: String,
    pub route: Option<LocalRoute>,
}

impl Sent {
    pub(crate) fn route(&self) -> &LocalRoute {
        self.route.as_ref().expect("it has a route")
    }
}

/// The result of an acquisition. The outcome is `None` if it is the transport's own error.
pub(crate) struct Run {
    pub outcome: Option<Result<TokenResponse, Error>>,
    pub sent: Vec<Sent>,
    /// The waits in milliseconds.
    pub waits: Vec<u128>,
    /// The name of the last request.
    pub leg: Option<String>,
    /// Everything that the steps and the error show.
    pub shown: String,
}

impl Run {
    pub(crate) fn token(&self) -> &TokenResponse {
        match &self.outcome {
            Some(Ok(token)) => token,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn error(&self) -> &ManagedIdentityError {
        match &self.outcome {
            Some(Err(Error::ManagedIdentity(error))) => error,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn kind(&self) -> ManagedIdentityErrorKind {
        self.error().kind()
    }

    /// The seconds of the waits, if no random delay is added.
    pub(crate) fn seconds(&self) -> Vec<u128> {
        self.waits
            .iter()
            .map(|wait| {
                assert_eq!(wait % 1000, 0, "{:?}", self.waits);
                wait / 1000
            })
            .collect()
    }
}

/// A policy without random delays.
pub(crate) fn exact() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.first_delay = Duration::ZERO;
    policy
}

pub(crate) fn run(request: &ManagedIdentityRequest, script: &[Network]) -> Run {
    run_with(request, exact(), script)
}

pub(crate) fn run_with(request: &ManagedIdentityRequest, policy: RetryPolicy, script: &[Network]) -> Run {
    drive(request.start(policy, Guid::from_bytes([7; 16]), NOW), script)
}

/// Drives an acquisition in which the exchanges take no time.
pub(crate) fn drive(start: Result<Step, Error>, script: &[Network]) -> Run {
    let mut run = Run {
        outcome: None,
        sent: Vec::new(),
        waits: Vec::new(),
        leg: None,
        shown: String::new(),
    };
    let (mut now, mut script) = (NOW, script.iter());
    let mut next = start;
    loop {
        let step = match next {
            Ok(step) => step,
            Err(error) => {
                run.shown += &format!("{error} {error:?} {error:#?} {:?}", Report::of(&error));
                run.outcome = Some(Err(error));
                break;
            }
        };
        run.shown += &format!("{step:?}\n");
        next = match step {
            Step::Exchange(exchange) => {
                let request = exchange.request();
                assert_eq!(sent(&request), sent(&exchange.request()));
                run.shown += &format!("{request:?}\n");
                run.leg = exchange.leg().map(|leg| leg.to_string());
                run.sent.push(sent(&request));
                match script.next().expect("more requests than the script has responses") {
                    Network::Fails(failure) => match exchange.failed(*failure, now) {
                        Ok(Some(step)) => Ok(step),
                        Ok(None) => break,
                        Err(error) => Err(error),
                    },
                    Network::Responds(status, headers, body) => {
                        let mut response = Response::builder().status(*status);
                        for (name, value) in headers {
                            response = response.header(*name, value);
                        }
                        exchange.respond(&response.body(Body::from(body.clone())).unwrap(), now)
                    }
                }
            }
            Step::Pause(pause) => {
                run.waits.push(pause.duration().as_millis());
                now = now.plus(pause.duration());
                pause.resume(now)
            }
            Step::Sign(sign) => sign.sign(),
            Step::Assert(assert) => assert.fetch(),
            Step::Done(token) => {
                run.shown += &format!("{token:?}");
                run.outcome = Some(Ok(token));
                break;
            }
        };
    }
    assert!(script.next().is_none(), "fewer requests than the script has responses");
    run
}

pub(crate) fn sent(request: &Request<Body>) -> Sent {
    let mut headers: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    Sent {
        line: format!("{} {}", request.method(), request.uri()),
        headers,
        body: String::from_utf8(request.body().as_bytes().to_vec()).unwrap(),
        route: LocalRoute::of(request).cloned(),
    }
}
