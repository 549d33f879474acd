//! Defects of forged tokens, by name.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::certificate::sha256;
use crate::forge::draft::{Draft, Object, SignatureAlgorithm, padded_base64url};
use crate::state::keys::{EXPONENT, STRANGER};

macro_rules! defects {
    ($($(#[doc = $about:literal])+ $variant:ident $name:literal $rule:literal $make:expr;)+) => {
        /// One defect of a token. Everything else about the token stays valid, including its
        /// signature unless the defect is there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Defect {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Defect {
            /// All defects.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name in the control API and in the corpus.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the name of the rule that the token breaks.
            pub fn rule(self) -> &'static str {
                match self {
                    $(Self::$variant => $rule,)+
                }
            }

            /// Returns a description of the defect.
            pub fn about(self) -> &'static str {
                let about = match self {
                    $(Self::$variant => concat!($($about),+),)+
                };
                about.trim()
            }

            pub(super) fn make(self, draft: &mut Draft) {
                let make: fn(&mut Draft) = match self {
                    $(Self::$variant => $make,)+
                };
                make(draft);
            }
        }
    };
}

defects! {
    /// One bit of the signature is changed.
    BadSignature "bad_signature" "signature" |draft| draft.signature = |mut signature| {
        if let Some(byte) = signature.get_mut(100) {
            *byte ^= 1;
        }
        signature
    };
    /// The third part is empty, and the header names RS256.
    EmptySignature "empty_signature" "signature" |draft| draft.signature = |_| Vec::new();
    /// The last byte of the signature is missing.
    ShortSignature "short_signature" "signature" |draft| draft.signature = |mut signature| {
        signature.pop();
        signature
    };
    /// The signature has 768 KiB.
    HugeSignature "huge_signature" "form" |draft| draft.signature = |_| vec![0; 786_432];
    /// The claims were changed after the token was signed.
    ChangedClaims "changed_claims" "signature" |draft| {
        let mut claims = draft.claims.clone();
        claims.set("oid", json!(STRANGE_ID));
        draft.shown_claims = Some(claims);
    };
    /// The header contains a nonce of which only the digest was signed, as in tokens of Microsoft
    /// Graph.
    HashedNonce "hashed_nonce" "signature" |draft| {
        let nonce = "4Vqt2Uo5Eo2kYQmJ8Qb0nN5Qy7rWnJzN1o1yK0oZ0aA";
        let mut shown = draft.header.clone();
        shown.set("nonce", json!(nonce));
        draft.header.set("nonce", json!(URL_SAFE_NO_PAD.encode(sha256(nonce.as_bytes()))));
        draft.shown_header = Some(shown);
    };
    /// The signature is of an unpublished key, and the header has the ID of a published key.
    ImpostorKey "impostor_key" "signature" |draft| draft.key = &STRANGER;
    /// The signature is of an unpublished key, which the header contains as a `jwk` with the ID of
    /// a published key.
    EmbeddedKey "embedded_key" "signature" |draft| {
        let kid = draft.header.text("kid");
        draft.header.set("jwk", json!({"kty": "RSA", "kid": kid, "n": STRANGER.n, "e": EXPONENT}));
        draft.key = &STRANGER;
    };
    /// The signature is of an unpublished key, and the header contains its certificate as `x5c`.
    EmbeddedCertificate "embedded_certificate" "signature" |draft| {
        draft.header.set("x5c", json!([STRANGER.x5c()]));
        draft.key = &STRANGER;
    };
    /// The signature is of an unpublished key, and the header contains a URL of keys (`jku`).
    KeyAddress "key_address" "signature" |draft| {
        draft.header.set("jku", json!("https://keys.example/keys"));
        draft.key = &STRANGER;
    };
    /// The signature is of an unpublished key, and the header has its ID.
    UnpublishedKey "unpublished_key" "key" |draft| {
        draft.header.set("kid", json!(STRANGER.kid));
        draft.key = &STRANGER;
    };
    /// The key ID does not belong to any key.
    UnknownKeyId "unknown_key_id" "key" |draft| draft.header.set("kid", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    /// The key ID is in another letter case.
    KeyIdLetterCase "key_id_letter_case" "key" |draft| {
        let kid = draft.header.text("kid").to_ascii_lowercase();
        draft.header.set("kid", json!(kid));
    };
    /// The key ID is empty.
    EmptyKeyId "empty_key_id" "key" |draft| draft.header.set("kid", json!(""));
    /// The key ID is a path.
    KeyIdPath "key_id_path" "key" |draft| draft.header.set("kid", json!("../../../../../../dev/null"));
    /// The key ID has 6 KiB.
    HugeKeyId "huge_key_id" "key" |draft| draft.header.set("kid", json!("kid".repeat(2_048)));
    /// The header has no key ID.
    NoKeyId "no_key_id" "key" |draft| {
        draft.header.remove("kid");
        draft.header.remove("x5t");
    };
    /// The key ID is a number.
    NumericKeyId "numeric_key_id" "key" |draft| draft.header.set("kid", json!(1));
    /// The algorithm is `none`, and there is no signature.
    AlgorithmNone "algorithm_none" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::None);
    /// The algorithm is `nOnE`, and there is no signature.
    AlgorithmNoneLetterCase "algorithm_none_letter_case" "algorithm" |draft| {
        draft.sign_by(SignatureAlgorithm::None);
        draft.header.set("alg", json!("nOnE"));
    };
    /// The algorithm is HS256, with the public key in PEM as the secret.
    PublicKeyAsSecret "public_key_as_secret" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Hs256);
    /// The algorithm is HS256, with the certificate in PEM as the secret.
    CertificateAsSecret "certificate_as_secret" "algorithm" |draft| {
        draft.secret = draft.key.certificate_pem();
        draft.sign_by(SignatureAlgorithm::Hs256);
    };
    /// The algorithm is HS256, with the modulus in base64url as the secret.
    ModulusAsSecret "modulus_as_secret" "algorithm" |draft| {
        draft.secret = draft.key.n.to_owned();
        draft.sign_by(SignatureAlgorithm::Hs256);
    };
    /// The algorithm is HS256, with an empty secret.
    EmptySecret "empty_secret" "algorithm" |draft| {
        draft.secret = String::new();
        draft.sign_by(SignatureAlgorithm::Hs256);
    };
    /// The algorithm is RS384, with a valid signature.
    Rs384 "rs384" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Rs384);
    /// The algorithm is RS512, with a valid signature.
    Rs512 "rs512" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Rs512);
    /// The algorithm is PS256, with a valid signature.
    Ps256 "ps256" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Ps256);
    /// The signature is RS256, and the header names ES256.
    NamedEs256 "named_es256" "algorithm" |draft| draft.header.set("alg", json!("ES256"));
    /// The signature is RS256, and the header names it in lower case.
    AlgorithmLetterCase "algorithm_letter_case" "algorithm" |draft| draft.header.set("alg", json!("rs256"));
    /// The signature is RS256, and the header does not name an algorithm.
    NoAlgorithm "no_algorithm" "algorithm" |draft| draft.header.remove("alg");
    /// The signature is RS256, and the header names it in a list.
    AlgorithmList "algorithm_list" "algorithm" |draft| draft.header.set("alg", json!(["RS256"]));
    /// The header declares an unknown parameter as critical.
    CriticalHeader "critical_header" "algorithm" |draft| {
        draft.header.set("crit", json!(["entra-emulator"]));
        draft.header.set("entra-emulator", json!(true));
    };
    /// The list of critical parameters is empty.
    EmptyCriticalHeader "empty_critical_header" "algorithm" |draft| draft.header.set("crit", json!([]));
    /// The type is that of a proof (`dpop+jwt`) instead of a token.
    OtherType "other_type" "algorithm" |draft| draft.header.set("typ", json!("dpop+jwt"));
    /// The token expired an hour ago.
    Expired "expired" "expiry" |draft| {
        let now = draft.now;
        draft.times(now.saturating_sub(7_200), now.saturating_sub(3_600));
    };
    /// The token expired 301 seconds ago.
    JustExpired "just_expired" "expiry" |draft| draft.claims.set("exp", json!(draft.now.saturating_sub(301)));
    /// The token becomes valid in an hour.
    NotYetValid "not_yet_valid" "not-before" |draft| draft.times(draft.now + 3_600, draft.now + 7_200);
    /// The token becomes valid in 301 seconds.
    SoonValid "soon_valid" "not-before" |draft| draft.claims.set("nbf", json!(draft.now + 301));
    /// The token has no expiry.
    NoExpiry "no_expiry" "expiry" |draft| draft.claims.remove("exp");
    /// The expiry is a string.
    ExpiryText "expiry_text" "expiry" |draft| draft.claims.set("exp", json!((draft.now + 3_600).to_string()));
    /// The expiry is `null`.
    ExpiryNull "expiry_null" "expiry" |draft| draft.claims.set("exp", Value::Null);
    /// The expiry is before 1970.
    NegativeExpiry "negative_expiry" "expiry" |draft| draft.claims.set("exp", json!(-1));
    /// The start of validity is a string.
    NotBeforeText "not_before_text" "not-before" |draft| draft.claims.set("nbf", json!(draft.now.to_string()));
    /// The token is for another API.
    OtherAudience "other_audience" "audience" |draft| draft.claims.set("aud", json!(STRANGE_ID));
    /// The token is for Microsoft Graph.
    GraphAudience "graph_audience" "audience" |draft| {
        draft.claims.set("aud", json!("00000003-0000-0000-c000-000000000000"));
    };
    /// The token has no audience.
    NoAudience "no_audience" "audience" |draft| draft.claims.remove("aud");
    /// The audience is empty.
    EmptyAudience "empty_audience" "audience" |draft| draft.claims.set("aud", json!(""));
    /// The audience begins with that of the API, but is longer.
    LongerAudience "longer_audience" "audience" |draft| {
        let aud = draft.claims.text("aud");
        draft.claims.set("aud", json!(aud + ".example"));
    };
    /// The audience is the beginning of that of the API.
    ShorterAudience "shorter_audience" "audience" |draft| {
        let mut aud = draft.claims.text("aud");
        aud.pop();
        draft.claims.set("aud", json!(aud));
    };
    /// The token has no issuer.
    NoIssuer "no_issuer" "issuer" |draft| draft.claims.remove("iss");
    /// The issuer is a list with the right issuer.
    IssuerList "issuer_list" "issuer" |draft| {
        let iss = draft.claims.text("iss");
        draft.claims.set("iss", json!([iss]));
    };
    /// The issuer is on another host.
    OtherIssuer "other_issuer" "issuer" |draft| {
        draft.issuer(|iss, _| {
            let host = iss.split('/').nth(2).unwrap_or_default().to_owned();
            iss.replacen(&host, &format!("{host}.example"), 1)
        });
    };
    /// The issuer is that of the same tenant in the other version.
    IssuerOfOtherVersion "issuer_of_other_version" "issuer" |draft| {
        draft.issuer(|iss, tid| match iss.ends_with("/v2.0") {
            true => format!("https://sts.windows.net/{tid}/"),
            false => format!("https://login.microsoftonline.com/{tid}/v2.0"),
        });
    };
    /// The issuer is that of the same tenant in the cloud of China.
    IssuerOfOtherCloud "issuer_of_other_cloud" "issuer" |draft| {
        draft.issuer(|iss, tid| match iss.ends_with("/v2.0") {
            true => format!("https://login.partner.microsoftonline.cn/{tid}/v2.0"),
            false => format!("https://sts.chinacloudapi.cn/{tid}/"),
        });
    };
    /// The issuer has a slash at the end although Entra's does not, or the reverse.
    IssuerSlash "issuer_slash" "issuer" |draft| {
        draft.issuer(|iss, _| match iss.strip_suffix('/') {
            Some(shorter) => shorter.to_owned(),
            None => iss.to_owned() + "/",
        });
    };
    /// The issuer is in capital letters.
    IssuerLetterCase "issuer_letter_case" "issuer" |draft| draft.issuer(|iss, _| iss.to_ascii_uppercase());
    /// The issuer begins with `http:`.
    PlainIssuer "plain_issuer" "issuer" |draft| draft.issuer(|iss, _| iss.replacen("https://", "http://", 1));
    /// The issuer has the literal `{tenantid}` in place of the tenant.
    IssuerTemplate "issuer_template" "issuer" |draft| draft.issuer(|iss, tid| iss.replace(tid, "{tenantid}"));
    /// The issuer belongs to another tenant than the `tid`.
    IssuerOfOtherTenant "issuer_of_other_tenant" "issuer" |draft| draft.issuer(|iss, tid| iss.replace(tid, STRANGE_ID));
    /// The `tid` belongs to another tenant than the issuer.
    StrayTenantId "stray_tenant_id" "issuer" |draft| draft.claims.set("tid", json!(STRANGE_ID));
    /// The token is of another tenant.
    OtherTenant "other_tenant" "tenant" |draft| draft.tenant(STRANGE_ID);
    /// The token has no tenant ID.
    NoTenantId "no_tenant_id" "tenant-id" |draft| draft.claims.remove("tid");
    /// The tenant ID is `null`.
    NullTenantId "null_tenant_id" "tenant-id" |draft| draft.claims.set("tid", Value::Null);
    /// The tenant ID is `common`, also in the issuer.
    TenantNotGuid "tenant_not_guid" "tenant-id" |draft| draft.tenant("common");
    /// The tenant ID is in capital letters, also in the issuer.
    CapitalTenantId "capital_tenant_id" "tenant-id" |draft| {
        let id = draft.claims.text("tid").to_ascii_uppercase();
        draft.tenant(&id);
    };
    /// The token is bound to a key (`cnf`) that the caller does not prove.
    Bound "bound" "binding" |draft| draft.claims.set("cnf", json!({"kid": "another", "xms_ksl": "sw"}));
    /// The token does not name the application (`azp`, `appid`), like an ID token.
    NoApplication "no_application" "principal" |draft| {
        draft.claims.remove("azp");
        draft.claims.remove("appid");
    };
    /// The token has no object ID.
    NoObjectId "no_object_id" "principal" |draft| draft.claims.remove("oid");
    /// The token has roles, and neither `idtyp` nor `sub` shows that there is no user.
    RolesOfSomeone "roles_of_someone" "principal" |draft| {
        draft.claims.remove("idtyp");
        draft.claims.remove("scp");
        draft.claims.set("roles", json!(["Tasks.Read.All"]));
        draft.claims.set("sub", json!("AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"));
    };
    /// The token declares that there is no user, but has the scopes of one.
    AppWithScopes "app_with_scopes" "principal" |draft| {
        draft.claims.set("idtyp", json!("app"));
        draft.claims.set("scp", json!("Tasks.Read"));
    };
    /// The token belongs neither to an application nor to a user (`idtyp`).
    OtherIdType "other_id_type" "principal" |draft| draft.claims.set("idtyp", json!("device"));
    /// The roles are a string.
    RolesText "roles_text" "principal" |draft| draft.claims.set("roles", json!("Tasks.Read.All"));
    /// The scopes are a list.
    ScopesList "scopes_list" "principal" |draft| draft.claims.set("scp", json!(["Tasks.Read"]));
    /// The token has neither roles nor scopes.
    NoGrants "no_grants" "grants" |draft| {
        draft.claims.remove("roles");
        draft.claims.remove("scp");
    };
    /// The token has a second tenant ID, under a name in another letter case.
    TenantIdTwiceLetterCase "tenant_id_twice_letter_case" "form" |draft| draft.claims.add("TID", json!(STRANGE_ID));
    /// The token has two tenant IDs: a wrong one first, the right one last.
    TenantIdTwice "tenant_id_twice" "form" |draft| draft.twice("tid", json!(STRANGE_ID));
    /// The token has two audiences: a wrong one first, the right one last.
    AudienceTwice "audience_twice" "form" |draft| draft.twice("aud", json!(STRANGE_ID));
    /// The token has two issuers: a wrong one first, the right one last.
    IssuerTwice "issuer_twice" "form" |draft| draft.twice("iss", json!("https://login.example"));
    /// The token has two expiries: a past one first, the right one last.
    ExpiryTwice "expiry_twice" "form" |draft| draft.twice("exp", json!(1));
    /// The token has two object IDs: a wrong one first, the right one last.
    ObjectIdTwice "object_id_twice" "form" |draft| draft.twice("oid", json!(STRANGE_ID));
    /// The header names two algorithms: `none` first, the right one last.
    AlgorithmTwice "algorithm_twice" "form" |draft| {
        let mut header = Object::default();
        header.add("alg", json!("none"));
        draft.header.append_to(&mut header);
        draft.header = header;
    };
    /// The token has no version.
    NoVersion "no_version" "version" |draft| draft.claims.remove("ver");
    /// The version is `3.0`.
    UnknownVersion "unknown_version" "version" |draft| draft.claims.set("ver", json!("3.0"));
    /// The version is the other one, but the issuer is unchanged.
    OtherVersion "other_version" "issuer" |draft| {
        let other = if draft.claims.text("ver") == "1.0" { "2.0" } else { "1.0" };
        draft.claims.set("ver", json!(other));
        // Each version has its own claim for the application.
        let application = draft.claims.text("azp") + &draft.claims.text("appid");
        draft.claims.set("azp", json!(application));
        draft.claims.set("appid", json!(application));
    };
    /// The token is empty.
    Empty "empty" "form" |draft| draft.text = |_| String::new();
    /// The token has two parts.
    TwoParts "two_parts" "form" |draft| draft.text = |text| match text.rsplit_once('.') {
        Some((start, _)) => start.to_owned(),
        None => text,
    };
    /// The token has four parts.
    FourParts "four_parts" "form" |draft| draft.text = |text| text + ".e30";
    /// The token has five parts, like an encrypted token.
    FiveParts "five_parts" "form" |draft| draft.text = |text| text + ".e30.e30";
    /// The parts are padded (`=`) before they are signed.
    Padded "padded" "form" |draft| {
        // A length that is divisible by three does not require padding.
        while draft.claims.bytes().len() % 3 == 0 {
            let text = draft.claims.text("pad") + "_";
            draft.claims.set("pad", json!(text));
        }
        draft.encode = padded_base64url;
    };
    /// The parts are encoded in base64 with `+` and `/` before they are signed.
    StandardBase64 "standard_base64" "form" |draft| {
        draft.claims.set("pad", json!("????"));
        draft.encode = |bytes| STANDARD_NO_PAD.encode(bytes);
    };
    /// The signed claims contain a character that is not in base64url.
    NotBase64 "not_base64" "form" |draft| draft.encode = |bytes| URL_SAFE_NO_PAD.encode(bytes).replacen('I', "!", 1);
    /// The claims are not JSON.
    ClaimsNotJson "claims_not_json" "form" |draft| draft.raw_claims = Some(b"aud=api&exp=1".to_vec());
    /// The claims are a JSON list.
    ClaimsNotObject "claims_not_object" "form" |draft| {
        let bytes = draft.claims.bytes();
        draft.raw_claims = Some([b"[".as_slice(), &bytes, b"]"].concat());
    };
    /// The claims continue after the JSON object.
    ClaimsWithTail "claims_with_tail" "form" |draft| {
        draft.raw_claims = Some([draft.claims.bytes().as_slice(), b"{}"].concat());
    };
    /// The claims are not UTF-8.
    ClaimsNotUtf8 "claims_not_utf8" "form" |draft| {
        let mut bytes = draft.claims.bytes();
        bytes.pop();
        draft.raw_claims = Some([bytes.as_slice(), b",\"pad\":\"\xff\"}"].concat());
    };
    /// The claims are 75,000 nested lists.
    DeepClaims "deep_claims" "form" |draft| draft.raw_claims = Some(vec![b'['; 75_000]);
    /// The header is not JSON.
    HeaderNotJson "header_not_json" "form" |draft| draft.raw_header = Some(b"RS256".to_vec());
    /// The header is a JSON list.
    HeaderNotObject "header_not_object" "form" |draft| {
        draft.raw_header = Some([b"[".as_slice(), &draft.header.bytes(), b"]"].concat());
    };
}

impl Draft {
    fn times(&mut self, not_before: u64, expires_on: u64) {
        for (name, time) in [("iat", not_before), ("nbf", not_before), ("exp", expires_on)] {
            self.claims.set(name, json!(time));
        }
    }

    /// Changes the issuer with a function of the issuer and the tenant.
    fn issuer(&mut self, change: impl Fn(&str, &str) -> String) {
        let issuer = change(&self.claims.text("iss"), &self.claims.text("tid"));
        self.claims.set("iss", json!(issuer));
    }

    /// Moves the token to another tenant.
    fn tenant(&mut self, id: &str) {
        self.issuer(|iss, tid| iss.replace(tid, id));
        let own = self.claims.text("tid");
        // In v1 tokens, the tenant is also its own identity provider.
        let idp = self.claims.text("idp");
        if !idp.is_empty() {
            self.claims.set("idp", json!(idp.replace(&own, id)));
        }
        self.claims.set("tid", json!(id));
    }

    /// Adds another value of a claim before all claims.
    fn twice(&mut self, name: &str, first: Value) {
        let mut claims = Object::default();
        claims.add(name, first);
        self.claims.append_to(&mut claims);
        self.claims = claims;
    }
}

/// An ID of a tenant, an API or an object that the emulator does not have.
const STRANGE_ID: &str = "99999999-8888-4777-8666-555544443333";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_defects_differ() {
        let mut names: Vec<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Defect::ALL.len());
    }
}
