//! The audiences that a web API answers to.

use entra_proto::error::{Input, InputError};
use entra_proto::{ClientId, Error};

/// The values of `aud` that a web API accepts: itself, under each of its names.
///
/// A v2 token names the API by its client ID, a v1 token by the App ID URI that the client asked
/// for. [`Audience::app`] holds the usual two; [`Audience::any_of`] takes others, such as a URI of
/// the API's own domain or the `spn:` form that old servers of AKS expect.
///
/// Values are compared exactly: byte for byte, with regard to letter case and to a slash at the
/// end. Entra sends `aud` as one string, so a token with an array is rejected: a token for several
/// audiences would be as good at each of them.
///
/// ```
/// use entra_validate::Audience;
///
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// assert!(audience.accepts("api://11112222-bbbb-3333-cccc-4444dddd5555"));
/// assert!(!audience.accepts("api://11112222-bbbb-3333-cccc-4444dddd5555/"));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Box<[Box<str>]>);

impl Audience {
    /// The application with this client ID: the GUID itself, and the default App ID URI
    /// `api://{client_id}`.
    #[must_use]
    pub fn app(client_id: ClientId) -> Self {
        let id = client_id.to_string();
        Self(Box::new([format!("api://{id}").into(), id.into()]))
    }

    /// One value.
    ///
    /// # Errors
    /// As for [`Audience::any_of`].
    pub fn new(value: impl AsRef<str>) -> Result<Self, Error> {
        Self::any_of([value])
    }

    /// Each of these values.
    ///
    /// # Errors
    /// Returns an error if there is none, if one is blank or holds white space or control
    /// characters, and if one is Microsoft Graph's: only Graph can validate its tokens.
    pub fn any_of(values: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        let values = values.into_iter().map(|value| checked(value.as_ref()));
        let values = values.collect::<Result<Box<[Box<str>]>, Error>>()?;
        if values.is_empty() {
            return Err(InputError::new(Input::Other("audience"), "is empty")
                .with_hint(ADVICE)
                .into());
        }
        Ok(Self(values))
    }

    /// Whether `aud` is exactly one of the values.
    #[must_use]
    pub fn accepts(&self, aud: &str) -> bool {
        self.values().any(|value| value == aud)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|value| &**value)
    }
}

fn checked(value: &str) -> Result<Box<str>, Error> {
    let refused =
        |problem: &'static str| Error::from(InputError::new(Input::Other("audience"), problem).with_hint(ADVICE));
    if value.is_empty() {
        return Err(refused("is blank"));
    }
    if value.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err(refused("holds white space or control characters"));
    }
    if is_graph(value) {
        return Err(InputError::new(
            Input::Other("audience"),
            "is Microsoft Graph's, whose tokens only Graph can validate",
        )
        .with_hint("have clients request a token for your own API")
        .into());
    }
    Ok(value.into())
}

/// Whether an audience is Microsoft Graph's. The signature of its tokens covers another header than
/// the one that they carry, so no other API can verify it (the Entra documents' "Access tokens in
/// the Microsoft identity platform").
pub(crate) fn is_graph(aud: &str) -> bool {
    GRAPH.contains(&aud.trim_end_matches('/'))
}

const ADVICE: &str = "pass the client ID of the API's registration, or its App ID URI as it stands there";

const GRAPH: [&str; 5] = [
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
];
