//! Client assertions: JWTs signed with the key of a registered certificate (RFC 7515, RFC 7523).

use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::aadsts::Rejection;
use crate::certificate::{certificates_in, decode_thumbprint, is_pem_in_base64, names_of};
use crate::config::App;
use crate::exchange::Exchange;
use crate::protocol::realm::{self, Realm};
use crate::protocol::token::key_references::KeyReferences;
use crate::seed::is_guid;
use crate::state::recorder::Lint;
use crate::time::{graph_date, unix};

/// A parsed assertion of which nothing has been verified.
pub(crate) struct Assertion {
    text: String,
    /// The length of the signed part of `text`.
    signed: usize,
    pub(super) signature: Vec<u8>,
    pub(super) header: Header,
    pub(super) claims: Claims,
}

#[derive(Deserialize)]
pub(super) struct Header {
    alg: Option<Value>,
    typ: Option<Value>,
    crit: Option<Value>,
    pub(super) kid: Option<Value>,
    pub(super) x5t: Option<Value>,
    #[serde(rename = "x5t#S256")]
    pub(super) x5t_s256: Option<Value>,
    pub(super) x5c: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) aud: Option<Value>,
    pub(super) iss: Option<Value>,
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

impl Assertion {
    /// Parses the three parts of a JWT. A duplicate member is rejected like any other malformed
    /// JWT.
    ///
    /// # Errors
    /// Returns AADSTS50027 if the text is not a valid JWT.
    pub(crate) fn parse(text: &str) -> Result<Self, Rejection> {
        // White space occurs if the assertion is sent from a file.
        if text.contains(|character: char| character.is_ascii_whitespace()) {
            return Err(malformed("it contains white space"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("it does not consist of three parts with dots between them"));
        };
        let json = || malformed("header and claims are not base64url of JSON objects");
        Ok(Self {
            text: text.to_owned(),
            signed: header.len() + 1 + claims.len(),
            signature: base64url(signature).ok_or_else(|| malformed("the signature is not base64url"))?,
            header: object(header).ok_or_else(json)?,
            claims: object(claims).ok_or_else(json)?,
        })
    }

    /// Returns the subject, for a request without a `client_id` (RFC 7521, section 4.2).
    ///
    /// # Errors
    /// Returns AADSTS90014 without `sub`, and 50027 if it is not a string.
    pub(crate) fn subject(&self) -> Result<&str, Rejection> {
        required("sub", self.claims.sub.as_ref())
    }

    /// Returns true if the issuer is not a client ID. A client issues its own assertions, with its
    /// client ID as `iss` (RFC 7523, section 3). An assertion of any other issuer, such as a
    /// pipeline, a cluster or another tenant, requires a federated credential.
    pub(crate) fn is_federated(&self) -> bool {
        matches!(&self.claims.iss, Some(Value::String(issuer)) if !is_guid(issuer))
    }

    /// Records lints about unwise properties, whether Entra accepts them or not.
    pub(crate) fn inspect(&self, exchange: &mut Exchange<'_>) {
        // The form of a federated assertion is the responsibility of its issuer.
        if self.is_federated() {
            return;
        }
        let (header, claims) = (&self.header, &self.claims);
        if self.text.contains('=') {
            exchange.lint(Lint::PaddedAssertion);
        }
        for (sent, length) in [(&header.x5t, 20), (&header.x5t_s256, 32)] {
            let Some(Value::String(sent)) = sent else {
                continue;
            };
            if sent.contains(['=', '+', '/']) {
                exchange.lint(Lint::ThumbprintEncoding);
            }
            let is_digits = |text: &[u8]| text.len() == 2 * length && text.iter().all(u8::is_ascii_hexdigit);
            if is_digits(sent.as_bytes()) || decode_thumbprint(sent).is_some_and(|bytes| is_digits(&bytes)) {
                exchange.lint(Lint::ThumbprintOfText);
            }
        }
        if header.alg.as_ref().is_some_and(|alg| alg == "PS256") && header.x5t.is_some() && header.x5t_s256.is_none() {
            exchange.lint(Lint::Sha1WithPs256);
        }
        let certificates = match &header.x5c {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        let certificates: Vec<&str> = certificates.iter().filter_map(Value::as_str).collect();
        if certificates
            .iter()
            .any(|text| text.contains(|character: char| character.is_ascii_whitespace()))
        {
            exchange.lint(Lint::BlankInX5c);
        }
        if certificates.iter().any(|text| is_pem_in_base64(text)) {
            exchange.lint(Lint::PemInX5c);
        }
        if let [first, second, ..] = certificates.as_slice()
            && issued(first, second)
        {
            exchange.lint(Lint::ChainOrder);
        }
        for (name, value) in [("exp", &claims.exp), ("nbf", &claims.nbf), ("iat", &claims.iat)] {
            if value.as_ref().is_some_and(|value| !value.is_u64()) {
                exchange.lint(Lint::AssertionTime(name.to_owned()));
            }
        }
        if !matches!(&claims.jti, Some(Value::String(id)) if !id.is_empty()) {
            exchange.lint(Lint::MissingJti);
        }
        if claims.nbf.is_none() {
            exchange.lint(Lint::MissingNotBefore);
        }
        if matches!(claims.aud, Some(Value::Array(_))) {
            exchange.lint(Lint::AudienceList);
        }
        let time = |value: &Option<Value>| value.as_ref().and_then(seconds);
        let from = time(&claims.nbf)
            .or_else(|| time(&claims.iat))
            .unwrap_or_else(|| since_epoch(exchange));
        if let Some(lifetime) = time(&claims.exp)
            .map(|expiry| expiry - from)
            .filter(|it| *it > LONGEST_LIFETIME)
        {
            exchange.lint(Lint::AssertionLifetime(lifetime as u64));
        }
    }

    /// Verifies the form, the times, the names, the key and the signature, in this order. No
    /// document of Entra states the order, so it is an assumption: it decides only the code of an
    /// assertion with several problems.
    ///
    /// # Errors
    /// Returns one error for each possible problem: 50027, 5002727, 5002738, 5002723, 90014,
    /// 700024, 50048, 700021, 700023, 700027, 5002730, 50012.
    pub(crate) fn verify(&self, exchange: &Exchange<'_>, app: &App, realm: &Realm<'_>) -> Result<(), Rejection> {
        let claims = &self.claims;
        let issuer = required("iss", claims.iss.as_ref())?;
        let subject = self.subject()?;
        let audience = required("aud", claims.aud.as_ref())?;
        let algorithm = self.algorithm()?;
        let named = KeyReferences::read(&self.header)?;
        let expiry = self.check_times(exchange)?;
        if !issuer.eq_ignore_ascii_case(subject) {
            return Err(Rejection::new(50048));
        }
        if !subject.eq_ignore_ascii_case(&app.client_id) {
            return Err(Rejection::new(700021));
        }
        if !realm::is_named_by(audience, realm, exchange) {
            return Err(Rejection::new(700023));
        }
        self.check_signature(exchange, app, &named, algorithm)?;
        if let Some(replays) = &exchange.state.replays {
            let id = claims.jti.as_ref().and_then(Value::as_str).unwrap_or(&self.text);
            let until = (expiry + ALLOWED_SKEW) as u64;
            if !replays.record(&app.client_id, id, unix(exchange.now), until) {
                return Err(Rejection::new(50012).with("the client assertion was already used"));
            }
        }
        Ok(())
    }

    /// Checks that an assertion of another issuer is signed with RS256, the only algorithm that
    /// federated credentials accept. The code is an assumption.
    pub(super) fn check_federated_algorithm(&self) -> Result<(), Rejection> {
        match self.algorithm()? {
            Algorithm::RS256 => Ok(()),
            _ => Err(Rejection::new(5002738).with_text(ONLY_RS256)),
        }
    }

    /// Checks that an assertion of another issuer is valid now, and not for too long.
    pub(super) fn check_federated_times(&self, exchange: &Exchange<'_>) -> Result<(), Rejection> {
        let expiry = self.check_times(exchange)?;
        let time = |value: &Option<Value>| value.as_ref().and_then(seconds);
        let start = time(&self.claims.nbf).or_else(|| time(&self.claims.iat));
        let lifetime = expiry - start.unwrap_or_else(|| since_epoch(exchange));
        if lifetime > LONGEST_FEDERATED_LIFETIME {
            return Err(Rejection::new(70023).with(&(lifetime as u64).to_string()));
        }
        Ok(())
    }

    /// Returns the signed part of the text.
    pub(super) fn signed_part(&self) -> &[u8] {
        self.text.as_bytes().get(..self.signed).unwrap_or_default()
    }

    fn algorithm(&self) -> Result<Algorithm, Rejection> {
        let header = &self.header;
        // An extension that must be understood, and none is supported (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(malformed("its header has crit"));
        }
        match &header.typ {
            None => {}
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("JWT") || kind == OPENID_TYPE => {}
            Some(_) => return Err(Rejection::new(5002727)),
        }
        match &header.alg {
            Some(Value::String(name)) => match name.as_str() {
                "RS256" => Ok(Algorithm::RS256),
                "PS256" => Ok(Algorithm::PS256),
                other => Err(Rejection::new(5002738).with(other)),
            },
            _ => Err(malformed("its header has no alg")),
        }
    }

    /// Returns the expiry if the assertion is valid now. An assertion without `exp` counts as
    /// expired since 1970, as in the service's messages.
    fn check_times(&self, exchange: &Exchange<'_>) -> Result<f64, Rejection> {
        let time = |name: &str, value: &Option<Value>| match value {
            None => Ok(0.0),
            Some(value) => seconds(value).ok_or_else(|| malformed(&format!("{name} is not a valid time"))),
        };
        let claims = &self.claims;
        let (start, expiry) = (time("nbf", &claims.nbf)?, time("exp", &claims.exp)?);
        time("iat", &claims.iat)?;
        let now = since_epoch(exchange);
        if now + ALLOWED_SKEW < start || expiry + ALLOWED_SKEW <= now {
            let ticks = exchange
                .now
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.subsec_nanos() / 100);
            let now = format!("{}.{ticks:07}Z", graph_date(unix(exchange.now)));
            let [start, expiry] = [start, expiry].map(|time| format!("{}.0000000Z", graph_date(time as u64)));
            return Err(Rejection::new(700024).with(&now).with(&start).with(&expiry));
        }
        Ok(expiry)
    }

    fn check_signature(
        &self,
        exchange: &Exchange<'_>,
        app: &App,
        named: &KeyReferences<'_>,
        algorithm: Algorithm,
    ) -> Result<(), Rejection> {
        let registered = exchange.state.directory.certificates(app);
        let Some(certificate) = registered.iter().find(|certificate| named.matches(certificate)) else {
            return Err(named.not_found(app, registered));
        };
        if !certificate.is_valid_at(exchange.now) {
            let reason = if exchange.now < certificate.start {
                "The key used is not valid yet."
            } else {
                "The key used is expired."
            };
            return Err(named.rejection(reason, Some(certificate)));
        }
        let key = certificate.key.as_ref().filter(|key| key.bits >= FEWEST_BITS);
        let key = DecodingKey::from_rsa_der(&key.ok_or_else(|| Rejection::new(5002730))?.der);
        // The provider is named explicitly, because the process-wide default may be a different
        // one.
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &key)
            .is_ok_and(|verifier| verifier.verify(self.signed_part(), &self.signature).is_ok())
            .then_some(())
            .ok_or_else(|| {
                let reason = "Key was found, but use of the key to verify the signature failed.";
                named.rejection(reason, Some(certificate))
            })
    }
}

/// Returns whether the certificate in the first text is the issuer of the certificate in the
/// second.
fn issued(issuer: &str, certificate: &str) -> bool {
    let names = |text: &str| names_of(certificates_in(text)?.first()?);
    match (names(issuer), names(certificate)) {
        (Some((subject, _)), Some((own, issuer))) => subject == issuer && own != issuer,
        _ => false,
    }
}

/// Decodes one part that must be a JSON object. Without the check, serde would accept an array for
/// a struct.
fn object<T: DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = base64url(part)?;
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(&bytes).ok().filter(|_| is_object)
}

/// Decodes one part, with all of its padding or without any. The asynchronous client of
/// azure-identity for Python pads all three parts.
fn base64url(part: &str) -> Option<Vec<u8>> {
    let engine = if part.ends_with('=') {
        &URL_SAFE
    } else {
        &URL_SAFE_NO_PAD
    };
    engine.decode(part).ok()
}

pub(super) fn required<'a>(name: &str, value: Option<&'a Value>) -> Result<&'a str, Rejection> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(malformed(&format!("{name} is not a string"))),
        None => Err(Rejection::new(90014).with(name)),
    }
}

/// Returns the seconds since the epoch, up to the year 9999, from an integer, a fraction or a
/// string of digits.
fn seconds(value: &Value) -> Option<f64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()?
        }
        _ => return None,
    };
    (0.0..LATEST).contains(&seconds).then_some(seconds)
}

fn since_epoch(exchange: &Exchange<'_>) -> f64 {
    exchange
        .now
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

pub(super) fn malformed(why: &str) -> Rejection {
    Rejection::new(50027).with(why)
}

/// The allowed skew of a client's clock, in seconds. The service's libraries allow five minutes for
/// tokens; the tolerance for assertions is not documented.
const ALLOWED_SKEW: f64 = 300.0;
/// The longest lifetime that the documents recommend, in seconds. Longer ones are accepted.
const LONGEST_LIFETIME: f64 = 600.0;
/// The longest lifetime of a federated assertion: one day and one hour, in seconds.
const LONGEST_FEDERATED_LIFETIME: f64 = 90_000.0;
/// The first second of the year 10000.
const LATEST: f64 = 253_402_300_800.0;
/// The minimum size of an RSA key that the service accepts.
const FEWEST_BITS: usize = 2048;
const ONLY_RS256: &str = "Invalid JWT token. The signature algorithm of a federated assertion must be RS256.";
const OPENID_TYPE: &str = "http://openid.net/specs/jwt/1.0";
