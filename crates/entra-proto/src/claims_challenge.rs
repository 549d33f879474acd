//! Claims challenges: an API rejects a token and names the claims that it requires.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::challenge::Challenge;
use crate::claims_request::ClaimsRequest;
use crate::cloud::Cloud;

/// A challenge that names the claims an API requires in the access token (the Entra documents'
/// "Claims challenges, claims requests and client capabilities"). The token was revoked, or a
/// policy requires more.
///
/// APIs send it with status 401 to clients that declare the capability `cp1`. A client satisfies it
/// by a token request with these claims that bypasses every cache; a token without them is rejected
/// again.
///
/// ```
/// use entra_proto::Cloud;
/// use entra_proto::claims::ClaimsChallenge;
/// use http::HeaderMap;
///
/// let header = concat!(
///     r#"Bearer authorization_uri="https://login.microsoftonline.com/common", "#,
///     r#"error="insufficient_claims", "#,
///     r#"claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJ2YWx1ZSI6ImMxIn19fQ==""#,
/// );
/// let mut headers = HeaderMap::new();
/// headers.insert("www-authenticate", header.parse()?);
///
/// let challenge = ClaimsChallenge::find(&headers).expect("there is one");
/// assert!(challenge.is_from(&Cloud::Public));
/// assert_eq!(
///     challenge.claims().as_str(),
///     r#"{"access_token":{"acrs":{"value":"c1"}}}"#,
/// );
/// // request.with_claims(challenge.claims().as_str())
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsChallenge {
    challenge: Challenge,
    claims: ClaimsRequest,
}

impl ClaimsChallenge {
    /// Returns the first claims challenge in the `WWW-Authenticate` headers: its scheme is `Bearer`
    /// or `PoP`, its `error` is `insufficient_claims`, and its `claims` are a claims request.
    ///
    /// The claims may be base64 or base64url, padded or not, or plain JSON. A challenge whose
    /// claims are missing, are not a JSON object or are longer than
    /// 16 KiB is not returned;
    /// [`Challenge::is_insufficient_claims`] distinguishes it from other challenges.
    #[must_use]
    pub fn find(headers: &HeaderMap) -> Option<Self> {
        Challenge::parse_all(headers).into_iter().find_map(Self::read)
    }

    /// Returns the first claims challenge from this cloud: see [`find`](Self::find) and
    /// [`is_from`](Self::is_from). A response may contain several, for example if a gateway adds
    /// its own.
    #[must_use]
    pub fn find_from(headers: &HeaderMap, cloud: &Cloud) -> Option<Self> {
        let mut challenges = Challenge::parse_all(headers).into_iter().filter_map(Self::read);
        challenges.find(|challenge| challenge.is_from(cloud))
    }

    /// Returns the required claims. Pass their text to
    /// [`TokenRequest::with_claims`](crate::TokenRequest::with_claims).
    #[must_use]
    pub fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    /// Returns the authority that the API names, unmodified: `authorization_uri`, otherwise
    /// `authorization`, otherwise `authority`. Never send anything to it; see
    /// [`is_from`](Self::is_from).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let named = ["authorization_uri", "authorization", "authority"];
        let mut values = named.iter().filter_map(|name| self.challenge.param(name));
        values.find(|value| !value.is_empty())
    }

    /// Returns whether the challenge is for clients with tokens from this cloud. Its
    /// [`authority`](Self::authority) must be `https` on the cloud's login host, under any of the
    /// names that [`Cloud::at`] accepts, or on exactly the origin of a custom cloud. An external
    /// tenant's cloud (`contoso.ciamlogin.com`) belongs to the public cloud, whose hosts its APIs
    /// name. Plain `http` is accepted for the exact origin of a [`Cloud::loopback`].
    ///
    /// Check this before you use the claims: it prevents an API from causing token requests with
    /// claims that were made for another authority. The claims go to the client's own authority in
    /// any case. Without an authority the result is false: the Entra documents require
    /// `authorization_uri` in a claims challenge.
    #[must_use]
    pub fn is_from(&self, cloud: &Cloud) -> bool {
        let Some(origin) = self.authority().and_then(origin) else {
            return false;
        };
        let Ok(named) = Cloud::from_setting(origin) else {
            return false;
        };
        let is_external = cloud.host().ends_with(".ciamlogin.com");
        named == *cloud || (is_external && named == Cloud::Public)
    }

    /// Returns the challenge with all its parameters.
    #[must_use]
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    fn read(challenge: Challenge) -> Option<Self> {
        if !challenge.is_insufficient_claims() {
            return None;
        }
        let claims = read_claims(challenge.param("claims")?)?;
        Some(Self { challenge, claims })
    }
}

/// Parses claims as JSON or from base64 in either alphabet.
fn read_claims(value: &str) -> Option<ClaimsRequest> {
    let value = value.trim();
    if value.starts_with('{') {
        return ClaimsRequest::parse(value).ok();
    }
    let url_safe: String = value
        .trim_end_matches('=')
        .chars()
        .map(|character| match character {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(url_safe).ok()?).ok()?;
    ClaimsRequest::parse(&json).ok()
}

/// Returns the scheme, host and port of a URI: the part before its path, query or fragment.
fn origin(uri: &str) -> Option<&str> {
    let start = uri.find("://")? + "://".len();
    let length = uri.get(start..)?.find(['/', '?', '#']);
    length.map_or(Some(uri), |length| uri.get(..start + length))
}

#[cfg(test)]
mod tests {
    use http::header::WWW_AUTHENTICATE;

    use super::*;
    use crate::claims_request::MAX_CLAIMS;

    fn find(header: &str) -> Option<ClaimsChallenge> {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Negotiate".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, header.parse().unwrap());
        ClaimsChallenge::find(&headers)
    }

    /// Returns the claims of a challenge with this text in `claims`.
    fn claims(value: &str) -> Option<String> {
        let value = value.replace('"', "\\\"");
        let found = find(&format!("Bearer error=\"insufficient_claims\", claims=\"{value}\""))?;
        Some(found.claims().as_str().to_owned())
    }

    #[test]
    fn claims_are_parsed_in_every_encoding() {
        for (value, expected) in [
            // The sample of the Entra documents.
            (
                "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiY3AxIn19fQ==",
                r#"{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}"#,
            ),
            (
                "eyJpZF90b2tlbiI6eyJhdXRoX3RpbWUiOnsiZXNzZW50aWFsIjp0cnVlfSwiYWNyIjp7InZhbHVlcyI6WyJ1cm46bWFjZTppbmNvbW1vbjppYXA6c2lsdmVyIl19fX0=",
                r#"{"id_token":{"acr":{"values":["urn:mace:incommon:iap:silver"]},"auth_time":{"essential":true}}}"#,
            ),
            // This value contains both characters in which the base64 alphabets differ.
            ("eyJhIjp7InYiOiI/fj7DqSJ9fQ==", r#"{"a":{"v":"?~>é"}}"#),
            ("eyJhIjp7InYiOiI_fj7DqSJ9fQ==", r#"{"a":{"v":"?~>é"}}"#),
            ("eyJhIjp7InYiOiI_fj7DqSJ9fQ", r#"{"a":{"v":"?~>é"}}"#),
            ("eyJhIjp7InYiOiI/fj7DqSJ9fQ=", r#"{"a":{"v":"?~>é"}}"#),
            (r#" {"a": null} "#, r#"{"a":null}"#),
            (
                r#"{"a":{"v":"\"\\"}}"#.replace('\\', "\\\\").as_str(),
                r#"{"a":{"v":"\"\\"}}"#,
            ),
            ("IHsiYSI6bnVsbH0=", r#"{"a":null}"#),
        ] {
            assert_eq!(claims(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn invalid_claims_are_not_a_claims_challenge() {
        let long = format!("{{\"a\":{{}}{}}}", " ".repeat(MAX_CLAIMS));
        let long_encoded = URL_SAFE_NO_PAD.encode(&long);
        let hostile = "A".repeat(60 * 1024);
        for value in [
            "",
            "some_claims",
            "not base64",
            "ey==",
            "e",
            "W10=",
            "bnVsbA==",
            "InsnYSc6e319Ig==",
            "eyJhIjoxfQ==",
            "{",
            "{}}",
            "eyJhIjp7InYiOiL/In19",
            &long,
            &long_encoded,
            &hostile,
        ] {
            assert_eq!(claims(value), None, "{value:.40}");
        }
        let mut headers = HeaderMap::new();
        let header = "Bearer error=\"insufficient_claims\", claims=\"some_claims\"";
        headers.insert(WWW_AUTHENTICATE, header.parse().unwrap());
        assert!(Challenge::parse_all(&headers)[0].is_insufficient_claims());
    }

    #[test]
    fn claims_of_the_maximum_size_are_parsed() {
        let json = format!("{{\"a\":{{\"v\":\"{}\"}}}}", "x".repeat(MAX_CLAIMS - 14));
        assert_eq!(json.len(), MAX_CLAIMS);
        assert_eq!(claims(&json).as_deref(), Some(&*json));
        let encoded = base64::engine::general_purpose::STANDARD.encode(&json);
        assert_eq!(claims(&encoded).as_deref(), Some(&*json));
    }

    #[test]
    fn first_valid_claims_challenge_is_found() {
        let good = "error=\"Insufficient_Claims\", claims=\"e30=\"";
        for (header, scheme) in [
            (format!("Bearer {good}, realm=\"1\""), Some("Bearer")),
            (format!("pop {good}, realm=\"1\", Bearer {good}"), Some("pop")),
            (
                format!("Bearer error=\"invalid_token\", claims=\"e30=\", Bearer {good}, realm=\"1\""),
                Some("Bearer"),
            ),
            (
                format!("Bearer error=\"insufficient_claims\", claims=\"x\", Bearer {good}, realm=\"1\""),
                Some("Bearer"),
            ),
            (format!("Basic {good}, realm=\"1\""), None),
            (format!("DPoP {good}, realm=\"1\""), None),
            ("Bearer error=\"insufficient_claims\"".into(), None),
            ("Bearer error=\"invalid_token\", claims=\"e30=\"".into(), None),
            ("Bearer claims=\"e30=\"".into(), None),
        ] {
            let found = find(&header);
            let found = found.as_ref().map(ClaimsChallenge::challenge);
            assert_eq!(found.map(Challenge::scheme), scheme, "{header}");
            assert!(found.is_none_or(|found| found.realm() == Some("1")), "{header}");
        }
    }

    #[test]
    fn authority_has_three_names_in_order_of_precedence() {
        let authority = |params: &str| {
            let found = find(&format!("Bearer {params}, error=insufficient_claims, claims=\"e30=\"")).unwrap();
            found.authority().map(str::to_owned)
        };
        assert_eq!(
            authority("authority=c, Authorization=b, authorization_uri=a").as_deref(),
            Some("a")
        );
        assert_eq!(authority("authority=c, authorization=\" b \"").as_deref(), Some(" b "));
        assert_eq!(authority("authorization_uri=\"\", authority=c").as_deref(), Some("c"));
        assert_eq!(authority("realm=d"), None);
    }

    #[test]
    fn challenge_is_from_the_cloud_that_it_names() {
        let clouds = [
            Cloud::Public,
            Cloud::UsGovernment,
            Cloud::China,
            Cloud::at("https://contoso.ciamlogin.com").unwrap(),
            Cloud::at("https://adfs.contoso.com:8443").unwrap(),
            Cloud::loopback("http://127.0.0.1:8400").unwrap(),
            Cloud::at("https://localhost:8401").unwrap(),
        ];
        for (uri, expected) in [
            ("https://login.microsoftonline.com/common/oauth2/authorize", "1001000"),
            ("https://login.microsoftonline.com:443", "1001000"),
            ("https://LOGIN.windows.net/t/oauth2/v2.0/authorize?a=b", "1001000"),
            ("https://login.microsoft.com?a", "1001000"),
            ("https://sts.windows.net#a", "1001000"),
            ("https://login.microsoftonline.us/common", "0100000"),
            ("https://login.usgovcloudapi.net/common", "0100000"),
            ("https://login.partner.microsoftonline.cn/common", "0010000"),
            ("https://login.chinacloudapi.cn/common", "0010000"),
            ("https://contoso.ciamlogin.com/contoso.onmicrosoft.com", "0001000"),
            ("https://adfs.contoso.com:8443/adfs/oauth2/authorize", "0000100"),
            ("http://127.0.0.1:8400/common/oauth2/authorize", "0000010"),
            ("https://localhost:8401/common/oauth2/authorize", "0000001"),
            ("http://login.microsoftonline.com/common", "0000000"),
            ("https://login.microsoftonline.com:444/common", "0000000"),
            ("https://login.microsoftonline.com.evil.test/common", "0000000"),
            ("https://login.microsoftonline.com@evil.test/common", "0000000"),
            ("https://evil.test/https://login.microsoftonline.com", "0000000"),
            ("https://evil.test\\\\@login.microsoftonline.com/", "0000000"),
            ("https://evil.test#@login.microsoftonline.com/", "0000000"),
            ("https://fabrikam.ciamlogin.com/", "0000000"),
            ("https://adfs.contoso.com/adfs", "0000000"),
            ("http://adfs.contoso.com:8443/adfs", "0000000"),
            ("http://127.0.0.1:8401/common", "0000000"),
            ("https://127.0.0.1:8400/common", "0000000"),
            ("http://localhost:8401/common", "0000000"),
            ("login.microsoftonline.com", "0000000"),
            ("ftp://login.microsoftonline.com/", "0000000"),
            ("://", "0000000"),
            ("", "0000000"),
        ] {
            let header = format!("Bearer authorization_uri=\"{uri}\", error=insufficient_claims, claims=\"e30=\"");
            let found = find(&header).unwrap();
            let trusted: String = clouds
                .iter()
                .map(|cloud| if found.is_from(cloud) { '1' } else { '0' })
                .collect();
            assert_eq!(trusted, expected, "{uri}");
        }
    }
}
