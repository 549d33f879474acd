//! What can be wrong with a forged token, by name.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::certificate::sha256;
use crate::forge::draft::{Draft, Object, SignatureAlgorithm, padded_base64url};
use crate::state::keys::{EXPONENT, STRANGER};

macro_rules! defects {
    ($($(#[doc = $about:literal])+ $variant:ident $name:literal $rule:literal $make:expr;)+) => {
        /// One thing that is wrong with a token. All else about the token stays right, its signature included, where the
        /// defect leaves one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Defect {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Defect {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in the control API and in the corpus.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The name of the rule that the token breaks.
            pub fn rule(self) -> &'static str {
                match self {
                    $(Self::$variant => $rule,)+
                }
            }

            /// A description in words.
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
    /// The signature is of 768 KiB.
    HugeSignature "huge_signature" "form" |draft| draft.signature = |_| vec![0; 786_432];
    /// The claims were changed after the token was signed.
    ChangedClaims "changed_claims" "signature" |draft| {
        let mut claims = draft.claims.clone();
        claims.set("oid", json!(STRANGE_ID));
        draft.shown_claims = Some(claims);
    };
    /// The header carries a nonce whose digest was signed in its place, as in tokens of Microsoft Graph.
    HashedNonce "hashed_nonce" "signature" |draft| {
        let nonce = "4Vqt2Uo5Eo2kYQmJ8Qb0nN5Qy7rWnJzN1o1yK0oZ0aA";
        let mut shown = draft.header.clone();
        shown.set("nonce", json!(nonce));
        draft.header.set("nonce", json!(URL_SAFE_NO_PAD.encode(sha256(nonce.as_bytes()))));
        draft.shown_header = Some(shown);
    };
    /// A key that is not published signed it, under the key ID of one that is.
    ImpostorKey "impostor_key" "signature" |draft| draft.key = &STRANGER;
    /// A key that is not published signed it, and the header carries that key as a `jwk` under a published key ID.
    EmbeddedKey "embedded_key" "signature" |draft| {
        let kid = draft.header.text("kid");
        draft.header.set("jwk", json!({"kty": "RSA", "kid": kid, "n": STRANGER.n, "e": EXPONENT}));
        draft.key = &STRANGER;
    };
    /// A key that is not published signed it, and the header carries its certificate as `x5c`.
    EmbeddedCertificate "embedded_certificate" "signature" |draft| {
        draft.header.set("x5c", json!([STRANGER.x5c()]));
        draft.key = &STRANGER;
    };
    /// A key that is not published signed it, and the header names an address of keys (`jku`).
    KeyAddress "key_address" "signature" |draft| {
        draft.header.set("jku", json!("https://keys.example/keys"));
        draft.key = &STRANGER;
    };
    /// A key that is not published signed it, and the header names it.
    UnpublishedKey "unpublished_key" "key" |draft| {
        draft.header.set("kid", json!(STRANGER.kid));
        draft.key = &STRANGER;
    };
    /// The key ID is that of no key.
    UnknownKeyId "unknown_key_id" "key" |draft| draft.header.set("kid", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    /// The key ID is in other letters.
    KeyIdLetterCase "key_id_letter_case" "key" |draft| {
        let kid = draft.header.text("kid").to_ascii_lowercase();
        draft.header.set("kid", json!(kid));
    };
    /// The key ID is empty.
    EmptyKeyId "empty_key_id" "key" |draft| draft.header.set("kid", json!(""));
    /// The key ID is a path.
    KeyIdPath "key_id_path" "key" |draft| draft.header.set("kid", json!("../../../../../../dev/null"));
    /// The key ID is of 6 KiB.
    HugeKeyId "huge_key_id" "key" |draft| draft.header.set("kid", json!("kid".repeat(2_048)));
    /// The header names no key.
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
    /// HS256, with the public key in PEM as the secret.
    PublicKeyAsSecret "public_key_as_secret" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Hs256);
    /// HS256, with the certificate in PEM as the secret.
    CertificateAsSecret "certificate_as_secret" "algorithm" |draft| {
        draft.secret = draft.key.certificate_pem();
        draft.sign_by(SignatureAlgorithm::Hs256);
    };
    /// HS256, with the modulus in base64url as the secret.
    ModulusAsSecret "modulus_as_secret" "algorithm" |draft| {
        draft.secret = draft.key.n.to_owned();
        draft.sign_by(SignatureAlgorithm::Hs256);
    };
    /// HS256, with an empty secret.
    EmptySecret "empty_secret" "algorithm" |draft| {
        draft.secret = String::new();
        draft.sign_by(SignatureAlgorithm::Hs256);
    };
    /// RS384, rightly signed.
    Rs384 "rs384" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Rs384);
    /// RS512, rightly signed.
    Rs512 "rs512" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Rs512);
    /// PS256, rightly signed.
    Ps256 "ps256" "algorithm" |draft| draft.sign_by(SignatureAlgorithm::Ps256);
    /// Signed by RS256, and named ES256.
    NamedEs256 "named_es256" "algorithm" |draft| draft.header.set("alg", json!("ES256"));
    /// Signed by RS256, and named in other letters.
    AlgorithmLetterCase "algorithm_letter_case" "algorithm" |draft| draft.header.set("alg", json!("rs256"));
    /// Signed by RS256, and no algorithm is named.
    NoAlgorithm "no_algorithm" "algorithm" |draft| draft.header.remove("alg");
    /// Signed by RS256, and the algorithm is a list.
    AlgorithmList "algorithm_list" "algorithm" |draft| draft.header.set("alg", json!(["RS256"]));
    /// The header says that a parameter is critical which no reader knows.
    CriticalHeader "critical_header" "algorithm" |draft| {
        draft.header.set("crit", json!(["entra-emulator"]));
        draft.header.set("entra-emulator", json!(true));
    };
    /// The list of critical parameters is empty.
    EmptyCriticalHeader "empty_critical_header" "algorithm" |draft| draft.header.set("crit", json!([]));
    /// The type is that of a proof (`dpop+jwt`), not of a token.
    OtherType "other_type" "algorithm" |draft| draft.header.set("typ", json!("dpop+jwt"));
    /// It expired an hour ago.
    Expired "expired" "expiry" |draft| {
        let now = draft.now;
        draft.times(now.saturating_sub(7_200), now.saturating_sub(3_600));
    };
    /// It expired 301 seconds ago.
    JustExpired "just_expired" "expiry" |draft| draft.claims.set("exp", json!(draft.now.saturating_sub(301)));
    /// It is valid in an hour.
    NotYetValid "not_yet_valid" "not-before" |draft| draft.times(draft.now + 3_600, draft.now + 7_200);
    /// It is valid in 301 seconds.
    SoonValid "soon_valid" "not-before" |draft| draft.claims.set("nbf", json!(draft.now + 301));
    /// It has no expiry.
    NoExpiry "no_expiry" "expiry" |draft| draft.claims.remove("exp");
    /// Its expiry is a text.
    ExpiryText "expiry_text" "expiry" |draft| draft.claims.set("exp", json!((draft.now + 3_600).to_string()));
    /// Its expiry is `null`.
    ExpiryNull "expiry_null" "expiry" |draft| draft.claims.set("exp", Value::Null);
    /// Its expiry is before 1970.
    NegativeExpiry "negative_expiry" "expiry" |draft| draft.claims.set("exp", json!(-1));
    /// The time from which it is valid is a text.
    NotBeforeText "not_before_text" "not-before" |draft| draft.claims.set("nbf", json!(draft.now.to_string()));
    /// It is for another API.
    OtherAudience "other_audience" "audience" |draft| draft.claims.set("aud", json!(STRANGE_ID));
    /// It is for Microsoft Graph.
    GraphAudience "graph_audience" "audience" |draft| {
        draft.claims.set("aud", json!("00000003-0000-0000-c000-000000000000"));
    };
    /// It is for no API.
    NoAudience "no_audience" "audience" |draft| draft.claims.remove("aud");
    /// Its audience is empty.
    EmptyAudience "empty_audience" "audience" |draft| draft.claims.set("aud", json!(""));
    /// Its audience begins with that of the API, and goes on.
    LongerAudience "longer_audience" "audience" |draft| {
        let aud = draft.claims.text("aud");
        draft.claims.set("aud", json!(aud + ".example"));
    };
    /// Its audience is the beginning of that of the API.
    ShorterAudience "shorter_audience" "audience" |draft| {
        let mut aud = draft.claims.text("aud");
        aud.pop();
        draft.claims.set("aud", json!(aud));
    };
    /// It has no issuer.
    NoIssuer "no_issuer" "issuer" |draft| draft.claims.remove("iss");
    /// Its issuer is a list with the right one.
    IssuerList "issuer_list" "issuer" |draft| {
        let iss = draft.claims.text("iss");
        draft.claims.set("iss", json!([iss]));
    };
    /// Its issuer is at another host.
    OtherIssuer "other_issuer" "issuer" |draft| {
        draft.issuer(|iss, _| {
            let host = iss.split('/').nth(2).unwrap_or_default().to_owned();
            iss.replacen(&host, &format!("{host}.example"), 1)
        });
    };
    /// Its issuer is that of the same tenant in the other version.
    IssuerOfOtherVersion "issuer_of_other_version" "issuer" |draft| {
        draft.issuer(|iss, tid| match iss.ends_with("/v2.0") {
            true => format!("https://sts.windows.net/{tid}/"),
            false => format!("https://login.microsoftonline.com/{tid}/v2.0"),
        });
    };
    /// Its issuer is that of the same tenant in the cloud of China.
    IssuerOfOtherCloud "issuer_of_other_cloud" "issuer" |draft| {
        draft.issuer(|iss, tid| match iss.ends_with("/v2.0") {
            true => format!("https://login.partner.microsoftonline.cn/{tid}/v2.0"),
            false => format!("https://sts.chinacloudapi.cn/{tid}/"),
        });
    };
    /// Its issuer has a slash at the end where the service has none, or none where the service has one.
    IssuerSlash "issuer_slash" "issuer" |draft| {
        draft.issuer(|iss, _| match iss.strip_suffix('/') {
            Some(shorter) => shorter.to_owned(),
            None => iss.to_owned() + "/",
        });
    };
    /// Its issuer is in capitals.
    IssuerLetterCase "issuer_letter_case" "issuer" |draft| draft.issuer(|iss, _| iss.to_ascii_uppercase());
    /// Its issuer begins with `http:`.
    PlainIssuer "plain_issuer" "issuer" |draft| draft.issuer(|iss, _| iss.replacen("https://", "http://", 1));
    /// Its issuer has the literal `{tenantid}` in place of the tenant.
    IssuerTemplate "issuer_template" "issuer" |draft| draft.issuer(|iss, tid| iss.replace(tid, "{tenantid}"));
    /// Its issuer is that of another tenant than its `tid`.
    IssuerOfOtherTenant "issuer_of_other_tenant" "issuer" |draft| draft.issuer(|iss, tid| iss.replace(tid, STRANGE_ID));
    /// Its `tid` is that of another tenant than its issuer.
    StrayTenantId "stray_tenant_id" "issuer" |draft| draft.claims.set("tid", json!(STRANGE_ID));
    /// Another tenant issued it.
    OtherTenant "other_tenant" "tenant" |draft| draft.tenant(STRANGE_ID);
    /// It has no tenant.
    NoTenantId "no_tenant_id" "tenant-id" |draft| draft.claims.remove("tid");
    /// Its tenant is `null`.
    NullTenantId "null_tenant_id" "tenant-id" |draft| draft.claims.set("tid", Value::Null);
    /// Its tenant is `common`, in its issuer too.
    TenantNotGuid "tenant_not_guid" "tenant-id" |draft| draft.tenant("common");
    /// Its tenant is in capitals, in its issuer too.
    CapitalTenantId "capital_tenant_id" "tenant-id" |draft| {
        let id = draft.claims.text("tid").to_ascii_uppercase();
        draft.tenant(&id);
    };
    /// It is bound to a key, which no one shows (`cnf`).
    Bound "bound" "binding" |draft| draft.claims.set("cnf", json!({"kid": "another", "xms_ksl": "sw"}));
    /// It does not name the application (`azp`, `appid`), as an ID token.
    NoApplication "no_application" "principal" |draft| {
        draft.claims.remove("azp");
        draft.claims.remove("appid");
    };
    /// It has no object ID.
    NoObjectId "no_object_id" "principal" |draft| draft.claims.remove("oid");
    /// It has roles, and says neither by `idtyp` nor by `sub` that there is no user.
    RolesOfSomeone "roles_of_someone" "principal" |draft| {
        draft.claims.remove("idtyp");
        draft.claims.remove("scp");
        draft.claims.set("roles", json!(["Tasks.Read.All"]));
        draft.claims.set("sub", json!("AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"));
    };
    /// It says that there is no user, and has the scopes of one.
    AppWithScopes "app_with_scopes" "principal" |draft| {
        draft.claims.set("idtyp", json!("app"));
        draft.claims.set("scp", json!("Tasks.Read"));
    };
    /// It is that of neither an application nor a user (`idtyp`).
    OtherIdType "other_id_type" "principal" |draft| draft.claims.set("idtyp", json!("device"));
    /// Its roles are a text.
    RolesText "roles_text" "principal" |draft| draft.claims.set("roles", json!("Tasks.Read.All"));
    /// Its scopes are a list.
    ScopesList "scopes_list" "principal" |draft| draft.claims.set("scp", json!(["Tasks.Read"]));
    /// It has neither roles nor scopes.
    NoGrants "no_grants" "grants" |draft| {
        draft.claims.remove("roles");
        draft.claims.remove("scp");
    };
    /// It has the tenant of another one beside its own, in other letters.
    TenantIdTwiceLetterCase "tenant_id_twice_letter_case" "form" |draft| draft.claims.add("TID", json!(STRANGE_ID));
    /// It has a tenant twice: another one first, its own last.
    TenantIdTwice "tenant_id_twice" "form" |draft| draft.twice("tid", json!(STRANGE_ID));
    /// It has an audience twice: another one first, its own last.
    AudienceTwice "audience_twice" "form" |draft| draft.twice("aud", json!(STRANGE_ID));
    /// It has an issuer twice: another one first, its own last.
    IssuerTwice "issuer_twice" "form" |draft| draft.twice("iss", json!("https://login.example"));
    /// It has an expiry twice: a past one first, its own last.
    ExpiryTwice "expiry_twice" "form" |draft| draft.twice("exp", json!(1));
    /// It has the object ID of its subject twice: another one first, its own last.
    ObjectIdTwice "object_id_twice" "form" |draft| draft.twice("oid", json!(STRANGE_ID));
    /// The header names an algorithm twice: `none` first, its own last.
    AlgorithmTwice "algorithm_twice" "form" |draft| {
        let mut header = Object::default();
        header.add("alg", json!("none"));
        draft.header.append_to(&mut header);
        draft.header = header;
    };
    /// It has no version.
    NoVersion "no_version" "version" |draft| draft.claims.remove("ver");
    /// Its version is `3.0`.
    UnknownVersion "unknown_version" "version" |draft| draft.claims.set("ver", json!("3.0"));
    /// Its version is the other one; the issuer is that of its own.
    OtherVersion "other_version" "issuer" |draft| {
        let other = if draft.claims.text("ver") == "1.0" { "2.0" } else { "1.0" };
        draft.claims.set("ver", json!(other));
        // Each version names the application in its own way.
        let application = draft.claims.text("azp") + &draft.claims.text("appid");
        draft.claims.set("azp", json!(application));
        draft.claims.set("appid", json!(application));
    };
    /// There is nothing at all.
    Empty "empty" "form" |draft| draft.text = |_| String::new();
    /// There are two parts.
    TwoParts "two_parts" "form" |draft| draft.text = |text| match text.rsplit_once('.') {
        Some((start, _)) => start.to_owned(),
        None => text,
    };
    /// There are four parts.
    FourParts "four_parts" "form" |draft| draft.text = |text| text + ".e30";
    /// There are five parts, as in an encrypted token.
    FiveParts "five_parts" "form" |draft| draft.text = |text| text + ".e30.e30";
    /// The parts are padded (`=`), and signed so.
    Padded "padded" "form" |draft| {
        // One of three lengths needs no padding.
        while draft.claims.bytes().len() % 3 == 0 {
            let text = draft.claims.text("pad") + "_";
            draft.claims.set("pad", json!(text));
        }
        draft.encode = padded_base64url;
    };
    /// The parts are in base64 with `+` and `/`, and signed so.
    StandardBase64 "standard_base64" "form" |draft| {
        draft.claims.set("pad", json!("????"));
        draft.encode = |bytes| STANDARD_NO_PAD.encode(bytes);
    };
    /// A character of the claims is not one of base64url, and the claims are signed so.
    NotBase64 "not_base64" "form" |draft| draft.encode = |bytes| URL_SAFE_NO_PAD.encode(bytes).replacen('I', "!", 1);
    /// The claims are not JSON.
    ClaimsNotJson "claims_not_json" "form" |draft| draft.raw_claims = Some(b"aud=api&exp=1".to_vec());
    /// The claims are a JSON list.
    ClaimsNotObject "claims_not_object" "form" |draft| {
        let bytes = draft.claims.bytes();
        draft.raw_claims = Some([b"[".as_slice(), &bytes, b"]"].concat());
    };
    /// There is something behind the JSON object of the claims.
    ClaimsWithTail "claims_with_tail" "form" |draft| {
        draft.raw_claims = Some([draft.claims.bytes().as_slice(), b"{}"].concat());
    };
    /// The claims are not UTF-8.
    ClaimsNotUtf8 "claims_not_utf8" "form" |draft| {
        let mut bytes = draft.claims.bytes();
        bytes.pop();
        draft.raw_claims = Some([bytes.as_slice(), b",\"pad\":\"\xff\"}"].concat());
    };
    /// The claims are 75,000 lists inside each other.
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

    /// Changes the issuer, given the issuer and the tenant.
    fn issuer(&mut self, change: impl Fn(&str, &str) -> String) {
        let issuer = change(&self.claims.text("iss"), &self.claims.text("tid"));
        self.claims.set("iss", json!(issuer));
    }

    /// Moves the token to another tenant.
    fn tenant(&mut self, id: &str) {
        self.issuer(|iss, tid| iss.replace(tid, id));
        let own = self.claims.text("tid");
        // In v1, where the tenant has itself as the identity provider.
        let idp = self.claims.text("idp");
        if !idp.is_empty() {
            self.claims.set("idp", json!(idp.replace(&own, id)));
        }
        self.claims.set("tid", json!(id));
    }

    /// Puts another value of a claim before all claims.
    fn twice(&mut self, name: &str, first: Value) {
        let mut claims = Object::default();
        claims.add(name, first);
        self.claims.append_to(&mut claims);
        self.claims = claims;
    }
}

/// A tenant, an API and an object that the emulator does not have.
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
