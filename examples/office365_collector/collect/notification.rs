//! Notifications of a webhook.

use entra_proto::Guid;

use crate::feed::ContentType;

/// Contents that a notification names, of one tenant. It is less trusted than the API: addresses
/// are checked before a request.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    pub(crate) tenant: Guid,
    pub(crate) contents: Vec<Notified>,
}

/// One content that a notification names.
#[derive(Clone, Debug)]
pub(crate) struct Notified {
    pub(crate) content_type: ContentType,
    pub(crate) content_id: String,
    pub(crate) content_uri: String,
}
