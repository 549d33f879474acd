//! The layer.

use std::fmt;
use std::sync::Arc;

use entra_client::TokenSource;
use tower_layer::Layer;

use crate::bearer::Bearer;
use crate::error::BuildError;
use crate::origins::Origins;
use crate::replay::{CloneBody, CopyBody, NoReplay};
use crate::shared::Shared;

/// A layer that puts one API's token on the requests of a service: see the [crate's documentation](crate).
///
/// `R` makes copies of requests, for those that the API rejects: see [`Replay`](crate::Replay).
#[derive(Clone)]
pub struct BearerLayer<R = NoReplay> {
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
    replay: R,
}

impl BearerLayer {
    /// A layer that sends the tokens of `source` to `origins`: to addresses such as `https://graph.microsoft.com`, with a port where it
    /// is not the usual one.
    ///
    /// ```
    /// # use entra_client::TokenSource;
    /// # use entra_tower::{BearerLayer, BuildError};
    /// # fn layer(source: TokenSource) -> Result<BearerLayer, BuildError> {
    /// BearerLayer::new(source, ["https://management.azure.com", "https://eastus.management.azure.com"])
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where there are no origins, or one has a path, a user or a query, or is plain `http` to another machine than this one.
    pub fn new(source: TokenSource, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, BuildError> {
        let origins = Origins::parse(origins)?;
        Ok(Self {
            shared: Arc::new(Shared::new(source, origins)),
            unlisted_origin: UnlistedOrigin::default(),
            replay: NoReplay,
        })
    }
}

impl<R> BearerLayer<R> {
    /// Sets what becomes of requests to other origins: an error, or with [`UnlistedOrigin::WithoutToken`] they are passed on as they are.
    #[must_use]
    pub fn unlisted_origin(mut self, unlisted_origin: UnlistedOrigin) -> Self {
        self.unlisted_origin = unlisted_origin;
        self
    }

    /// Copies every request with its body, so that it can be sent again with another token if the API rejects the first.
    #[must_use]
    pub fn replay(self) -> BearerLayer<CloneBody> {
        self.replay_by(CloneBody)
    }

    /// Copies those requests whose body `copy` can copy, so that they can be sent again; not one whose body is a stream, say.
    #[must_use]
    pub fn replay_with<F>(self, copy: F) -> BearerLayer<CopyBody<F>> {
        self.replay_by(CopyBody::new(copy))
    }

    /// Copies those requests that a [`Replay`](crate::Replay) of the program's own wants to be sent again.
    #[must_use]
    pub fn replay_by<N>(self, replay: N) -> BearerLayer<N> {
        BearerLayer {
            shared: self.shared,
            unlisted_origin: self.unlisted_origin,
            replay,
        }
    }
}

impl<S, R: Clone> Layer<S> for BearerLayer<R> {
    type Service = Bearer<S, R>;

    fn layer(&self, inner: S) -> Bearer<S, R> {
        Bearer::new(
            inner,
            Arc::clone(&self.shared),
            self.unlisted_origin,
            self.replay.clone(),
        )
    }
}

impl<R> fmt::Debug for BearerLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer")
            .field("shared", &self.shared)
            .field("unlisted_origin", &self.unlisted_origin)
            .finish_non_exhaustive()
    }
}

/// What becomes of a request whose URI is at none of a layer's origins, is plain `http` or names no origin at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum UnlistedOrigin {
    /// It is refused with an error, and nothing is sent: most of the time it is a mistake.
    #[default]
    Refuse,
    /// It is passed on as it is, without the token: for a service that is used for other servers as well.
    WithoutToken,
}
