//! The layer for clients of an API.

use std::fmt;
use std::sync::Arc;

use entra_client::TokenSource;
use tower_layer::Layer;

use crate::bearer::Bearer;
use crate::error::OriginError;
use crate::origins::Origins;
use crate::replay::{CloneBody, CopyBody, NoReplay};
use crate::shared::Shared;

/// A layer that adds the token of one API to the requests of a service: see the
/// [crate's documentation](crate).
///
/// `R` makes copies of requests, to send them again if the API rejects the token: see
/// [`Replay`](crate::Replay).
#[derive(Clone)]
pub struct BearerLayer<R = NoReplay> {
    shared: Arc<Shared<TokenSource>>,
    unlisted_origin: UnlistedOrigin,
    replay: R,
}

impl BearerLayer {
    /// Creates a layer that sends the tokens of `source` to `origins`: addresses such as
    /// `https://graph.microsoft.com`, with a port if it is not the default one.
    ///
    /// ```
    /// # use entra_client::TokenSource;
    /// # use entra_tower::{BearerLayer, OriginError};
    /// # fn layer(source: TokenSource) -> Result<BearerLayer, OriginError> {
    /// let arm = "https://management.azure.com";
    /// let regional = "https://eastus.management.azure.com";
    /// BearerLayer::new(source, [arm, regional])
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if there are no origins, if an origin has a path, a user or a query, or if
    /// it is plain `http` to another machine than this one.
    pub fn new(source: TokenSource, origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, OriginError> {
        let origins = Origins::parse(origins)?;
        Ok(Self {
            shared: Arc::new(Shared::new(source, origins)),
            unlisted_origin: UnlistedOrigin::default(),
            replay: NoReplay,
        })
    }
}

impl<R> BearerLayer<R> {
    /// Sets how requests to other origins are handled: with an error by default, or with
    /// [`UnlistedOrigin::WithoutToken`] by sending them unchanged.
    #[must_use]
    pub fn unlisted_origin(mut self, unlisted_origin: UnlistedOrigin) -> Self {
        self.unlisted_origin = unlisted_origin;
        self
    }

    /// Copies every request with its body, to send it again with another token if the API rejects
    /// the first.
    #[must_use]
    pub fn replay(self) -> BearerLayer<CloneBody> {
        self.replay_by(CloneBody)
    }

    /// Copies the requests whose body `copy` can copy, to send them again. It cannot copy a stream,
    /// for example.
    #[must_use]
    pub fn replay_with<F>(self, copy: F) -> BearerLayer<CopyBody<F>> {
        self.replay_by(CopyBody::new(copy))
    }

    /// Copies the requests that a custom [`Replay`](crate::Replay) selects.
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

/// The handling of a request whose URI is at none of a layer's origins, is plain `http`, or names
/// no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum UnlistedOrigin {
    /// The request fails with an error, and nothing is sent. Such a request is mostly a bug.
    #[default]
    Reject,
    /// The request is sent unchanged, without the token. This is for a service that is used for
    /// other servers as well.
    WithoutToken,
}
