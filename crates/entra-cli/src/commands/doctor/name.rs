//! The names of the checks, in the order of the report.

pub(super) const CHAIN: &str = "chain";
pub(super) const MANAGED_IDENTITY: &str = "identity";
pub(super) const AUTHORITY: &str = "authority";
pub(super) const TENANT: &str = "tenant";
pub(super) const CLIENT_ID: &str = "client-id";
pub(super) const AGENT: &str = "agent";
pub(super) const BLUEPRINT: &str = "blueprint";
pub(super) const CREDENTIAL: &str = "credential";
pub(super) const TARGET: &str = "target";
pub(super) const REGION: &str = "region";
pub(super) const NETWORK: &str = "network";
pub(super) const CONNECTION: &str = "connection";
pub(super) const CLOCK: &str = "clock";
pub(super) const TENANT_FOUND: &str = "tenant-found";
pub(super) const CERTIFICATE: &str = "certificate";
pub(super) const FEDERATED_TOKEN: &str = "federated-token";
pub(super) const TOKEN_REQUEST: &str = "token-request";
pub(super) const TOKEN: &str = "token";
pub(super) const AUDIENCE: &str = "audience";
pub(super) const ROLES: &str = "roles";
pub(super) const SCOPES: &str = "scopes";
pub(super) const LIFETIME: &str = "lifetime";
pub(super) const ISSUED_TO: &str = "issued-to";
