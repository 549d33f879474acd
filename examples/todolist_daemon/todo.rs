//! The web API, and the to-dos that it returns.

use entra_proto::Guid;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;

use crate::common::{FORGOTTEN_CONSENT, Failure, Reply, Web};

/// The web API, and the address of its list.
pub(crate) struct Service {
    pub(crate) web: Web,
    /// The address of the list, without a trailing slash.
    pub(crate) endpoint: String,
}

/// A to-do.
#[derive(Debug)]
pub(crate) struct ToDo {
    pub(crate) id: i64,
    pub(crate) owner: Guid,
    pub(crate) description: String,
}

impl Service {
    /// Calls the list, or one to-do in it. An error response is not an `Err` here.
    pub(crate) fn send(&self, method: &Method, id: Option<i64>, body: Option<&Value>) -> Result<Reply, Failure> {
        let address = match id {
            Some(id) => format!("{}/{id}", self.endpoint),
            None => self.endpoint.clone(),
        };
        let address: Uri = address
            .parse()
            .map_err(|_| Failure::new("the address of the API is not a URL"))?;
        self.web.call(method, &address, body)
    }

    /// Calls the list, or one to-do in it.
    ///
    /// # Errors
    /// Returns an error if the API returns an error response.
    pub(crate) fn call(&self, method: &Method, id: Option<i64>, body: Option<&Value>) -> Result<Reply, Failure> {
        let reply = self.send(method, id, body)?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        Err(failure(&reply))
    }
}

/// Returns the failure that the API reports, with a hint.
pub(crate) fn failure(reply: &Reply) -> Failure {
    let failure = reply.failure();
    match reply.status {
        StatusCode::FORBIDDEN => failure.hint(FORGOTTEN_CONSENT),
        _ => failure,
    }
}

impl ToDo {
    /// Reads the to-do in a response.
    pub(crate) fn read(reply: &Reply) -> Result<Self, Failure> {
        let wire: Wire = serde_json::from_str(&reply.body).map_err(|_| unexpected())?;
        wire.try_into()
    }

    /// Reads the list in a response.
    pub(crate) fn read_list(reply: &Reply) -> Result<Vec<Self>, Failure> {
        let list: Vec<Wire> = serde_json::from_str(&reply.body).map_err(|_| unexpected())?;
        list.into_iter().map(Self::try_from).collect()
    }
}

#[derive(Deserialize)]
struct Wire {
    id: i64,
    owner: String,
    description: String,
}

impl TryFrom<Wire> for ToDo {
    type Error = Failure;

    fn try_from(wire: Wire) -> Result<Self, Failure> {
        Ok(Self {
            id: wire.id,
            owner: wire.owner.parse().map_err(|_| unexpected())?,
            description: wire.description,
        })
    }
}

pub(crate) fn unexpected() -> Failure {
    Failure::new("the response of the web API does not hold to-dos in JSON")
        .hint("check the address: a proxy or a web page may be there")
}
