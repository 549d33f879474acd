//! Response bodies, and the values that all of them share.

/// The body of a successful response.
pub(super) enum Body {
    Json(Vec<u8>),
    Count(usize),
    Xml(&'static str),
}

pub(super) const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
pub(super) const CONTEXT: &str = "https://graph.microsoft.com/v1.0/$metadata";
/// The creation time of objects whose configuration sets none.
pub(super) const CREATED: &str = "2021-01-17T15:30:55Z";
pub(super) const METADATA: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>",
    "<Schema Namespace=\"microsoft.graph\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
    "<EntityType Name=\"user\"/><EntityType Name=\"group\"/><EntityType Name=\"application\"/>",
    "<EntityType Name=\"servicePrincipal\"/><EntityType Name=\"organization\"/>",
    "</Schema></edmx:DataServices></edmx:Edmx>",
);
