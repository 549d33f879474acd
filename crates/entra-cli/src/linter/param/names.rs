//! The names of parameters and settings, in any case and with any separators.

/// The purpose of a parameter, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    ClientId,
    ClientSecret,
    Scope,
    Resource,
    GrantType,
    RedirectUri,
    Tenant,
    Authority,
}

/// A name that rules check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) role: Option<Role>,
    /// The name on the wire, if the name is that of a parameter of a token request.
    pub(crate) wire: Option<&'static str>,
}

/// Returns the meaning of a name, or `None` if no rule checks it.
pub(crate) fn known(name: &str) -> Option<Known> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let mut buffer = [0; LONGEST_NAME];
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        buffer[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let plain = &buffer[..length];
    let role = ROLES.iter().find(|(end, _)| plain.ends_with(end.as_bytes()));
    let wire = WIRE_NAMES.iter().find(|(_, name)| plain == name.as_bytes());
    (role.is_some() || wire.is_some()).then_some(Known {
        role: role.map(|(_, role)| *role),
        wire: wire.map(|(name, _)| *name),
    })
}

/// Returns true if a text is the name of an OAuth parameter, and therefore not a value.
pub(crate) fn is_parameter(text: &str) -> bool {
    WIRE_NAMES.iter().any(|(name, _)| *name == text) || OTHER_NAMES.contains(&text)
}

/// Suffixes of the names of parameters and settings, in lower case and without separators.
const ROLES: [(&str, Role); 20] = [
    ("clientsecret", Role::ClientSecret),
    ("clientsecretvalue", Role::ClientSecret),
    ("appsecret", Role::ClientSecret),
    ("clientkey", Role::ClientSecret),
    ("appkey", Role::ClientSecret),
    // The name in MSAL for Python.
    ("clientcredential", Role::ClientSecret),
    ("serviceprincipalkey", Role::ClientSecret),
    ("clientid", Role::ClientId),
    ("applicationid", Role::ClientId),
    ("appid", Role::ClientId),
    ("scopes", Role::Scope),
    ("scope", Role::Scope),
    ("resource", Role::Resource),
    ("granttype", Role::GrantType),
    ("redirecturi", Role::RedirectUri),
    ("redirecturl", Role::RedirectUri),
    ("tenantid", Role::Tenant),
    ("authority", Role::Authority),
    ("authorityhost", Role::Authority),
    ("instance", Role::Authority),
];

/// The parameters of token requests: their names on the wire, and the names without separators.
const WIRE_NAMES: [(&str, &str); 14] = [
    ("client_id", "clientid"),
    ("client_secret", "clientsecret"),
    ("scope", "scope"),
    ("resource", "resource"),
    ("grant_type", "granttype"),
    ("redirect_uri", "redirecturi"),
    ("client_assertion", "clientassertion"),
    ("client_assertion_type", "clientassertiontype"),
    ("response_type", "responsetype"),
    ("refresh_token", "refreshtoken"),
    ("code_verifier", "codeverifier"),
    ("requested_token_use", "requestedtokenuse"),
    ("device_code", "devicecode"),
    ("code", "code"),
];

/// Other parameters, and members of responses, that occur with them in lists of names.
const OTHER_NAMES: [&str; 14] = [
    "access_token",
    "assertion",
    "code_challenge",
    "code_challenge_method",
    "expires_in",
    "id_token",
    "login_hint",
    "nonce",
    "password",
    "prompt",
    "response_mode",
    "state",
    "token_type",
    "username",
];

/// The longest name that is checked, in bytes.
const LONGEST_NAME: usize = 64;
