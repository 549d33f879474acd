//! Notifications of a webhook.

use entra_proto::Guid;

use crate::feed::ContentType;

/// The contents of one tenant that a notification names. It is less trusted than the API: addresses
/// are checked before a request.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    pub(crate) tenant: Guid,
    pub(crate) contents: Vec<Notified>,
}

/// A content that a notification names.
#[derive(Clone, Debug)]
pub(crate) struct Notified {
    pub(crate) content_type: ContentType,
    pub(crate) content_id: String,
    pub(crate) content_uri: String,
}
