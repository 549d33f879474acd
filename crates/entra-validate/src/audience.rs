//! The values of `aud` that a web API accepts.

use entra_proto::error::{Input, InputError};
use entra_proto::{ClientId, Error};

/// The values of `aud` that a web API accepts: the names of the API.
///
/// A v2 token names the API by its client ID, a v1 token by the App ID URI that the client
/// requested. [`Audience::app`] holds these two; [`Audience::any_of`] takes others, such as a URI
/// in the API's own domain or the `spn:` form that old AKS servers expect.
///
/// Values are compared byte for byte: letter case and a trailing slash count. Entra sends `aud` as
/// one string, so a token with an array is rejected: each audience of such a token could use it at
/// the others.
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
    /// Accepts the names of the application with this client ID: the GUID, and the default App ID
    /// URI `api://{client_id}`.
    #[must_use]
    pub fn app(client_id: ClientId) -> Self {
        let id = client_id.to_string();
        Self(Box::new([format!("api://{id}").into(), id.into()]))
    }

    /// Accepts one value.
    ///
    /// # Errors
    /// Returns the errors of [`Audience::any_of`].
    pub fn new(value: impl AsRef<str>) -> Result<Self, Error> {
        Self::any_of([value])
    }

    /// Accepts each of these values.
    ///
    /// # Errors
    /// Returns an error if there are no values, if a value is empty or contains white space or
    /// control characters, or if it belongs to Microsoft Graph: only Graph can validate its tokens.
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

    /// Returns true if `aud` equals one of the values.
    #[must_use]
    pub fn accepts(&self, aud: &str) -> bool {
        self.values().any(|value| value == aud)
    }

    /// Returns the values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|value| &**value)
    }
}

fn checked(value: &str) -> Result<Box<str>, Error> {
    let error =
        |problem: &'static str| Error::from(InputError::new(Input::Other("audience"), problem).with_hint(ADVICE));
    if value.is_empty() {
        return Err(error("is empty"));
    }
    if value.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err(error("contains white space or control characters"));
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

/// Returns true if an audience belongs to Microsoft Graph.
///
/// The signature of Graph's tokens covers another header than the one that they carry, so no other
/// API can verify it (the Entra documents' "Access tokens in the Microsoft identity platform").
pub(crate) fn is_graph(aud: &str) -> bool {
    GRAPH.contains(&aud.trim_end_matches('/'))
}

const ADVICE: &str = "pass the client ID of the API's registration, or its App ID URI exactly as registered";

const GRAPH: [&str; 5] = [
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
];
