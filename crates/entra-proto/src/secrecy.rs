//! Heuristics that find secrets in texts of the service and in inputs of users.

use crate::guid::Guid;
use crate::loopback::is_loopback_host;

/// Returns whether a text may be or contain a token, a key or a client secret. Such a text must not
/// be shown.
///
/// The decision depends on the text's form: a JWT, a PEM block, a client secret in Entra's format,
/// a long random word, a password in a URL, `client_secret=...`, or more than 16 KiB. A short word
/// of letters does not count as a secret, although it may be one.
///
/// ```
/// use entra_proto::error::may_be_secret;
///
/// assert!(may_be_secret("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln"));
/// assert!(may_be_secret("-----BEGIN PRIVATE KEY-----"));
/// assert!(!may_be_secret("https://graph.microsoft.com/.default"));
/// assert!(!may_be_secret("535fb089-9ff3-47b6-9bfb-4f1264799865"));
/// ```
#[must_use]
pub fn may_be_secret(text: &str) -> bool {
    text.len() > 16 * 1024 || without_secrets(text).is_some()
}

/// Returns the text with `[secret]` in place of everything that may be a secret, or `None` if
/// nothing may be.
pub(crate) fn without_secrets(text: &str) -> Option<String> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    if let Some(start) = text.find("-----BEGIN") {
        found.push((start, text.len()));
    }
    named_values(text, &mut found);
    for (start, end) in words(text) {
        let (Some(word), Some(before)) = (text.get(start..end), text.get(..start)) else {
            continue;
        };
        if is_random(word) && !is_public(word, before) {
            found.push((start, end));
        }
    }
    if found.is_empty() {
        return None;
    }
    found.sort_unstable();
    let mut clean = String::new();
    let mut at = 0;
    for (start, end) in found {
        if end <= at {
            continue;
        }
        // Overlapping spans are merged.
        if start >= at {
            clean.push_str(text.get(at..start).unwrap_or_default());
            clean.push_str("[secret]");
        }
        at = end;
    }
    clean.push_str(text.get(at..).unwrap_or_default());
    Some(clean)
}

/// Returns whether a text contains a member or parameter that holds a secret, with its value:
/// `access_token=...`, `"code":"..."`.
pub(crate) fn names_secret(text: &str) -> bool {
    let mut found = Vec::new();
    named_values(text, &mut found);
    !found.is_empty()
}

/// Returns whether a word of a text looks random, whatever its member.
pub(crate) fn has_random_word(text: &str) -> bool {
    let mut found = words(text).into_iter().filter_map(|(start, end)| text.get(start..end));
    found.any(is_random)
}

/// Returns whether an address without its scheme begins with a host, so that a later `@` is part of
/// the path, such as a user name.
///
/// The part before a colon may be a user name followed by its password, except on this machine,
/// where a port follows.
fn begins_with_host(rest: &str) -> bool {
    let Some(at) = rest.find(['/', '?', '#']) else {
        return false;
    };
    let authority = rest.get(..at).unwrap_or_default();
    match authority.rsplit_once(':') {
        None => is_host(authority),
        Some((host, port)) => is_loopback_host(host) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Finds the values of members and parameters that hold secrets.
fn named_values(text: &str, found: &mut Vec<(usize, usize)>) {
    let lower = text.to_ascii_lowercase();
    for (name, weak) in NAMES {
        let mut covered = 0;
        for (at, _) in lower.match_indices(name) {
            let apart = |c: char| !c.is_ascii_alphanumeric();
            let before = lower.get(..at).unwrap_or_default();
            if !before.chars().next_back().is_none_or(apart) {
                continue;
            }
            let after = at + name.len();
            let Some(start) = value_after(&lower, after, *weak) else {
                continue;
            };
            let value = lower.get(start..).unwrap_or_default();
            // Part of the previous value, which has the same end.
            if start < covered && !value.starts_with(['{', '[']) {
                continue;
            }
            // Nested JSON does not end at its first bracket; a header ends with its line.
            let length = match value.chars().next() {
                Some('{' | '[') => value.len(),
                _ if *name == "authorization" => value.find(['\r', '\n']).unwrap_or(value.len()),
                _ => value.find(ends_value).unwrap_or(value.len()),
            };
            covered = start + length;
            let value = value.get(..length).unwrap_or_default();
            let is_code = value.len() <= 8 && value.bytes().all(|byte| byte.is_ascii_digit());
            let is_known = (*weak && is_code) || value.starts_with("[secret]");
            if !value.is_empty() && !is_known {
                found.push((start, start + length));
            }
        }
    }
    for (at, scheme) in lower.match_indices("bearer ") {
        let start = at + scheme.len();
        let value = lower.get(start..).unwrap_or_default();
        let length = value.find(ends_value).unwrap_or(value.len());
        let value = value.get(..length).unwrap_or_default();
        // "Bearer token" and "Bearer authorization" are ordinary prose.
        if value.bytes().any(|byte| byte.is_ascii_digit()) || value.len() > 24 {
            found.push((start, start + length));
        }
    }
}

/// Returns the start of the value after a name that ends at `at`: after quotes, and an equals sign
/// or a colon.
fn value_after(lower: &str, at: usize, weak: bool) -> Option<usize> {
    let skip = |at: usize, marks: &[&str]| {
        let mut at = at;
        while let Some(mark) = marks
            .iter()
            .find(|mark| lower.get(at..).is_some_and(|rest| rest.starts_with(**mark)))
        {
            at += mark.len();
        }
        at
    };
    let quoted = skip(at, QUOTES);
    let separated = skip(quoted, SEPARATORS);
    let sign = lower.get(quoted..separated)?;
    // In prose, words follow "code:" and "state:".
    let is_explicit = sign.contains('=') || sign.contains("%3d") || quoted > at;
    let is_value = sign.trim() != "" && (is_explicit || !weak);
    is_value.then(|| skip(separated, QUOTES))
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || "\"'<>&,;}])\\".contains(c)
}

/// Returns whether a character separates words.
pub(crate) fn is_between_words(c: char) -> bool {
    c.is_whitespace() || "\"'<>()[]{},;|`".contains(c)
}

/// Returns the start and end of each word.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_between_words(*c)) {
        words.push((start, at));
        start = at + c.len_utf8();
    }
    words.push((start, text.len()));
    words.retain(|(start, end)| start < end);
    words
}

/// Returns whether a word looks random or encoded, unlike the names that users and services choose.
fn is_random(word: &str) -> bool {
    if let Some((_, rest)) = word.split_once("://") {
        // The part before an `@` may be a password that contains slashes.
        if rest.contains('@') && !begins_with_host(rest) {
            return true;
        }
        let path = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..));
        return holds_der(rest)
            || is_key(path.unwrap_or_default())
            || rest.split(['/', '?', '#', '&', '=', ':']).any(is_random);
    }
    // A list of parameters, or a name with its value, such as `thumbprint=...` in a message.
    let plain = word.trim_end_matches('=');
    if plain.contains(['=', '&']) {
        return plain.split(['=', '&']).any(is_random);
    }
    let word = plain.trim_end_matches(['.', ':']);
    if word.parse::<Guid>().is_ok() {
        return false;
    }
    if holds_jwt(word) || is_client_secret(word) || (word.starts_with("MII") && word.len() >= 24) {
        return true;
    }
    let parts = || word.split(['.', '-']);
    // Hosts are in lower case, so the JWT prefix is as well. The last part of a JWT is not a
    // top-level domain.
    if word.contains('.') && parts().any(|part| part.starts_with("eyj") && part.len() >= 10) {
        return true;
    }
    if is_host(word) {
        let is_mixed = |part: &&str| {
            let (length, digits, turns) = measure(part);
            length >= 10 && digits >= 2 && turns * 4 >= length
        };
        return parts().any(is_random) || parts().filter(is_mixed).count() > 1;
    }
    // A path. Base64 contains slashes, but no dots.
    if word.contains(['/', '\\']) && (word.contains('.') || word.starts_with(['/', '~'])) {
        return is_key(word) || word.split(['/', '\\']).any(is_random);
    }
    let (length, digits, turns) = measure(word);
    // A GUID inside a longer name, such as `api://id` or `id_suffix`, is not random text.
    if word.split([':', '/', '_']).any(|part| part.parse::<Guid>().is_ok()) && length < 64 {
        return false;
    }
    (length >= 20 && digits >= 2 && turns * 4 >= length) || (length >= 32 && turns * 2 >= length) || length >= 200
}

/// Returns whether a word is a host in lower case. Azure puts random letters and digits into the
/// names of sites.
fn is_host(word: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_top = |(_, top): (&str, &str)| top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_lowercase());
    word.bytes().all(is_letter) && word.rsplit_once('.').is_some_and(is_top)
}

/// Returns whether a path is a base64 key, whose slashes leave only short parts.
fn is_key(path: &str) -> bool {
    let plain: String = path.split('/').filter(|part| part.parse::<Guid>().is_err()).collect();
    let (length, _, turns) = measure(&plain);
    length >= 24 && turns * 9 >= length * 4
}

/// Returns the number of letters and digits, the number of digits, and the number of changes
/// between lower case, upper case and digits.
fn measure(word: &str) -> (usize, usize, usize) {
    let kinds: Vec<u8> = word.bytes().filter_map(kind).collect();
    let digits = kinds.iter().filter(|kind| **kind == DIGIT).count();
    let turns = kinds.windows(2).filter(|pair| pair.first() != pair.last()).count();
    (kinds.len(), digits, turns)
}

/// Returns whether the text before a random word shows that it is public: a thumbprint, or a name
/// in an assertion.
fn is_public(word: &str, before: &str) -> bool {
    let start = before.len().saturating_sub(40);
    let start = (start..=before.len())
        .find(|at| before.is_char_boundary(*at))
        .unwrap_or(before.len());
    let near = before.get(start..).unwrap_or_default().to_ascii_lowercase();
    let context = format!("{near}{}", word.to_ascii_lowercase());
    // The longest thumbprint is a SHA-512 in hexadecimal.
    let is_short = word.len() <= 128 && !holds_jwt(word) && !is_client_secret(word);
    is_short
        && (context.contains("thumbprint")
            || ["subject", "issuer", "audience", "identifier", "named"]
                .iter()
                .any(|name| near.trim_end_matches(['\'', '"', ' ', ':']).ends_with(name)))
}

/// Returns whether an address contains a key or certificate: DER in base64, which starts with `MII`
/// and may contain slashes.
fn holds_der(address: &str) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    address.match_indices("MII").any(|(at, _)| {
        let before = address.get(..at).unwrap_or_default();
        let is_start = before.is_empty() || before.ends_with(['/', '?', '#', '&', '=', ':']);
        let rest = address.get(at..).unwrap_or_default();
        is_start && rest.bytes().take_while(is_base64).count() >= 24
    })
}

/// Returns whether the text contains the start of a JWT's header: base64url of `{"`.
pub(crate) fn holds_jwt(word: &str) -> bool {
    word.match_indices("eyJ").any(|(at, _)| {
        let apart = |c: char| !c.is_ascii_alphanumeric();
        let before = word.get(..at).unwrap_or_default();
        word.len() >= at + 10 && before.chars().next_back().is_none_or(apart)
    })
}

/// Returns whether the text contains a client secret in Entra's format: three characters, a digit,
/// `Q~`, and about thirty more.
fn is_client_secret(word: &str) -> bool {
    word.match_indices("Q~").any(|(at, _)| {
        let before = word.get(..at).unwrap_or_default();
        at >= 4 && word.len() >= at + 16 && before.ends_with(|c: char| c.is_ascii_digit())
    })
}

fn kind(byte: u8) -> Option<u8> {
    match byte {
        b'a'..=b'z' => Some(0),
        b'A'..=b'Z' => Some(1),
        b'0'..=b'9' => Some(DIGIT),
        _ => None,
    }
}

const DIGIT: u8 = 2;

/// The members, parameters and headers that hold secrets. True if the name is also an ordinary
/// word.
const NAMES: &[(&str, bool)] = &[
    ("access_token", false),
    ("refresh_token", false),
    ("id_token", false),
    ("accesstoken", false),
    ("refreshtoken", false),
    ("idtoken", false),
    ("device_code", false),
    ("client_secret", false),
    ("clientsecret", false),
    ("client_assertion", false),
    ("user_assertion", false),
    ("code_verifier", false),
    ("session_state", false),
    ("authorization", false),
    ("set-cookie", false),
    ("cookie", false),
    ("password", true),
    ("assertion", true),
    ("samlresponse", true),
    ("secret", true),
    ("token", true),
    ("nonce", true),
    ("state", true),
    ("code", true),
    ("sig", true),
    ("key", true),
];

/// The quotes around a name or a value, including those escaped for JSON, HTML and URLs.
const QUOTES: &[&str] = &["\"", "'", "\\", "&quot;", "&#34;", "&#39;", "%22", "%27", "u0022"];

/// The separators between a name and its value.
const SEPARATORS: &[&str] = &["=", ":", " ", "%3d", "%3a", "&#61;"];

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";

    fn clean(text: &str) -> String {
        without_secrets(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn secrets_are_detected() {
        for secret in [
            JWT,
            "eyJhbGciOiJub25lIn0",
            "https://eyjhbgcioi.eyjhdwqioijh.sabcdefghijklmnopqrs/",
            "https://eyjhbgcioi.eyjnvg0qgwsauyb.m9yp03ip86q9mzziquf1",
            "https://0.axaatftp5fp-bjewgyr4vhqhc1k9.xz2vq8mn4rt6.example/",
            "abc8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789-_",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
            "/u3+7QAAAAIAAAABAAAAAQAGZGFlbW9uAAABjX2kL3Q7pQ8zT1xY9",
            "https://MIIEvQaa/+0a/aa+AaaaaaA+a00+0AA+Aa+//a+aAAa/A+AaaA/aaaaa000AA0aAAA0a/aa+Aaaa/AAA+a//0+AAAAaA==//.default",
            "0.AXAAtFtP5fPbjEWGYrAVhqhC1k9Xz2vQ",
            "1.AX0A8kRb2Qd7Yt5Zk3WmVx9Lp.AgABAwEAAAApTwJmzXqdR4BN2miheQMYAg",
            "xYz12345abcDEF67890ghiJKL==",
            "84E05C1D98BCE3A5421D225B140B36E86A3D5534",
            "https://user:hunter2@login.microsoftonline.com/",
            "https://a.example/?sig=hunter2",
            "client_secret=hunter2",
            "Authorization: Basic aHVudGVyMg==",
            "Bearer abc123def",
            "{\"password\": \"hunter2\"}",
            "-----BEGIN CERTIFICATE-----",
        ] {
            for text in [
                secret.to_owned(),
                format!("before '{secret}' behind"),
                format!(" {secret}\n"),
            ] {
                assert!(may_be_secret(&text), "{text}");
            }
        }
    }

    #[test]
    fn names_and_messages_are_not_secrets() {
        for text in [
            "",
            "https://graph.microsoft.com/.default",
            "https://mwaas-services-customerapi-prod.azurewebsites.net/.default",
            "api://535fb089-9ff3-47b6-9bfb-4f1264799865/.default",
            "00000003-0000-0000-c000-000000000000",
            "contoso-daemon-production-eu1.onmicrosoft.com",
            "https://login.microsoftonline.com/535fb089-9ff3-47b6-9bfb-4f1264799865/oauth2/v2.0/token",
            "DelegatedPermissionGrant.ReadWrite.All MmdSupport.ReadWrite User.Read",
            "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1A_SignIn2/oauth2/v2.0/authorize",
            "https://graph.microsoft.com/v1.0/users/535fb089-9ff3-47b6-9bfb-4f1264799865/messages?$top=10",
            "/tmp/tmp.X7a9Kd2L1q/cert.pem",
            "tmp.X7a9Kd2L1q/certificates/cert2024.pem",
            "C:\\Users\\megan\\AppData\\Local\\Temp\\tmpA1b2C3\\contoso-2024.pfx",
            "/var/run/secrets/azure/tokens/azure-identity-token",
            "/home/runner/work/_temp/0f8fad5b-d9cb-469f-a165-70867728950e/cert.pem",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "AADSTS700016: Application with identifier '535fb089-9ff3-47b6-9bfb-4f1264799865' was not found in the directory 'Contoso'.",
            "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-01-01T00:00:00.1234567Z, expiry 2026-01-01T00:10:00.0000000Z.",
            "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            "AADSTS9002313: Invalid request. Request is malformed or invalid. error code: 9002313, state: failed",
            "AADSTS700027: The key was not found., Thumbprint of key used by client: '84E05C1D98BCE3A5421D225B140B36E86A3D5534', Configured keys: [Key0:Start=12/15/2022, End=12/15/2024, Thumbprint=hOBcHZi846VCHSJbFAs26Go9VTQ;]",
            "AADSTS700213: No record for presented assertion subject 'wx3UOZzzwNIiCEQ8qL84B6tBXl6KlLr3CN2aKzZbG01'.",
            "AADSTS700213: presented assertion subject 'repo:contoso/app-1:ref:refs/heads/gh-readonly-queue/main/pr-13'.",
            "A Bearer token is needed, and Bearer authorization",
            "see https://login.microsoftonline.com/error?code=7000215",
            "AADSTS50056: Invalid or null password: password does not exist in the directory for this user.",
            "AADSTS70021: No matching federated identity record found. Assertion Issuer: 'https://oidc.example/'. Assertion Subject: 'system:serviceaccount:ns:name'. Assertion Audience: 'api://AzureADTokenExchange'.",
            "AADSTS7000222: The provided client secret keys for app '535fb089-9ff3-47b6-9bfb-4f1264799865' are expired. Create new keys: https://aka.ms/NewClientSecret, or use certificates: https://aka.ms/certCreds.",
            "AADSTS50011: The redirect URI 'https://daemon-eu1.contoso.com:8443/signin-oidc2/callback' specified in the request does not match.",
            "AADSTS50011: The redirect URI 'https://contoso-app-a1b2c3d4e5.azurewebsites.net/signin-oidc' specified in the request does not match the redirect URIs configured for the application '535fb089-9ff3-47b6-9bfb-4f1264799865'.",
            "AADSTS50011: The redirect URI 'https://myapp-ds27dh7271aah175.westus-01.azurewebsites.net/.auth/login/aad/callback' specified in the request does not match.",
            "AADSTS70021: No matching federated identity record found for presented assertion. Assertion Issuer: 'https://oidc.eks.eu-west-1.amazonaws.com/id/D48675832CA65BD10A532F597A1B2C3D'. Assertion Subject: 'system:serviceaccount:ns-1a2b3c4d5e6f7a8b:name'. Assertion Audience: 'api://AzureADTokenExchange'. https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation",
            "AADSTS500011: The resource principal named api://contoso-api-7f3k2m9x4q.azurewebsites.net was not found in the tenant named 535fb089-9ff3-47b6-9bfb-4f1264799865.",
            "AADSTS65001: The user or administrator has not consented to use the application with ID '535fb089-9ff3-47b6-9bfb-4f1264799865' named 'MyApp2024ProdV2EuWest1'. Send an interactive authorization request for this user and resource.",
            "AADSTS90002: Tenant 'a1b2c3d4e5f6g7h8.onmicrosoft.com' not found.",
            "AADSTS9002326: Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: 'https://red-sand-0a1b2c3d4e.azurestaticapps.net'.",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn secrets_are_replaced_and_the_rest_is_unchanged() {
        for (text, expected) in [
            (format!("a {JWT} b"), "a [secret] b"),
            (
                format!("AADSTS50013: '{JWT}' is bad."),
                "AADSTS50013: '[secret]' is bad.",
            ),
            (
                "{\"access_token\":\"opaque\",\"a\":1}".to_owned(),
                "{\"access_token\":\"[secret]\",\"a\":1}",
            ),
            (
                "{\\\"access_token\\\": \\\"opaque\\\"}".to_owned(),
                "{\\\"access_token\\\": \\\"[secret]\\\"}",
            ),
            (
                "{\"access_token\":{\"x\":\"opaque\"}} b".to_owned(),
                "{\"access_token\":[secret]",
            ),
            ("code=opaque&state=other#x".to_owned(), "code=[secret]&state=[secret]"),
            ("access_token%3Dopaque".to_owned(), "access_token%3D[secret]"),
            (
                "&quot;id_token&quot;:&quot;opaque&quot;".to_owned(),
                "&quot;id_token&quot;:&quot;[secret]&quot;",
            ),
            ("a -----BEGIN KEY-----\nabc\n-----END KEY-----".to_owned(), "a [secret]"),
        ] {
            assert_eq!(clean(&text), expected);
            // A redacted text stays unchanged.
            assert_eq!(clean(expected), expected, "{text}");
        }
    }
}
