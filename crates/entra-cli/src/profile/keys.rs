//! The settings that a profile can have: names, types, examples, and names that users mistake them
//! for.

/// The definition of a setting of a profile.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(super) kind: Kind,
    /// The example value in the file that `entra config init` writes.
    pub(crate) example: &'static str,
    /// The comment in the file that `entra config init` writes.
    pub(crate) remark: &'static str,
}

/// The type of a setting.
pub(super) enum Kind {
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    Path,
    Flag,
    List,
}

/// The settings of a profile.
pub(crate) const KEYS: [Key; 13] = [
    key(
        "tenant",
        Kind::Text,
        "\"contoso.onmicrosoft.com\"",
        "the tenant's ID, or one of its domains",
    ),
    key(
        "client_id",
        Kind::Text,
        "\"00001111-aaaa-2222-bbbb-3333cccc4444\"",
        "the application (client) ID",
    ),
    key(
        "authority_host",
        Kind::Text,
        "\"public\"",
        "public, usgovernment, china or an address; a project's file may only name Microsoft's and loopback addresses",
    ),
    key(
        "endpoint",
        Kind::Word(&["v1", "v2"]),
        "\"v2\"",
        "v2 (with scope) or v1 (with resource)",
    ),
    key(
        "region",
        Kind::Text,
        "\"westeurope\"",
        "the Azure region of the token endpoint",
    ),
    key("capabilities", Kind::List, "[\"cp1\"]", "client capabilities"),
    key(
        "secret_file",
        Kind::Path,
        "\"secret.txt\"",
        "one credential: a file with the client secret",
    ),
    key(
        "certificate",
        Kind::Path,
        "\"daemon.pem\"",
        "or a certificate with its private key, PEM or PFX",
    ),
    key(
        "certificate_key",
        Kind::Path,
        "\"daemon.key\"",
        "the private key, if it is in another file",
    ),
    key(
        "certificate_password_file",
        Kind::Path,
        "\"password.txt\"",
        "a file with the password of the certificate's file",
    ),
    key(
        "send_certificate_chain",
        Kind::Flag,
        "false",
        "send the certificate chain (x5c)",
    ),
    key(
        "algorithm",
        Kind::Word(&["ps256", "rs256"]),
        "\"ps256\"",
        "the signature algorithm",
    ),
    key(
        "federated_token_file",
        Kind::Path,
        "\"token.jwt\"",
        "or a file with another issuer's assertion",
    ),
];

const fn key(name: &'static str, kind: Kind, example: &'static str, remark: &'static str) -> Key {
    Key {
        name,
        kind,
        example,
        remark,
    }
}

/// The settings that name a credential.
pub(super) const CREDENTIALS: [&str; 3] = ["secret_file", "certificate", "federated_token_file"];

/// The settings that name a file that contains only a secret.
pub(super) const HOLD_SECRETS: [&str; 2] = ["secret_file", "certificate_password_file"];

/// The names of these settings in other programs and in variables, without separators.
pub(super) const OTHER_NAMES: [(&str, &str); 16] = [
    ("tenantid", "tenant"),
    ("tenantname", "tenant"),
    ("directoryid", "tenant"),
    ("domain", "tenant"),
    ("clientid", "client_id"),
    ("client", "client_id"),
    ("app", "client_id"),
    ("appid", "client_id"),
    ("applicationid", "client_id"),
    ("authority", "authority_host"),
    ("cloud", "authority_host"),
    ("environment", "authority_host"),
    ("cert", "certificate"),
    ("certificatepath", "certificate"),
    ("certificatefile", "certificate"),
    ("clientcertificatepath", "certificate"),
];

/// Parts of the names of settings that would contain a secret.
pub(super) const SECRET_NAMES: [&str; 6] = ["secret", "password", "passphrase", "token", "key", "assertion"];
