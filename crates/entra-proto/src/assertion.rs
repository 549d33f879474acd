//! Certificates as credentials, and the client assertions that their keys sign.

use std::fmt::{self, Write as _};
use std::future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::authority::{Authority, EndpointVersion};
use crate::client_id::ClientId;
use crate::guid::Guid;
use crate::tenant::Tenant;
use crate::time::Timestamp;

pub use crate::federated::{AssertionSource, AsyncAssertionSource, FederatedCredential};
pub use crate::secret::ClientAssertion;
pub use crate::signer::{AsyncSigner, BoxFuture, Signer, SignerError, SigningAlgorithm, SigningCertificate};

/// A certificate as a credential: its signer, and the form of its assertions (RFC 7523, section
/// 2.2).
///
/// The defaults are those that Entra recommends. The algorithm is PS256 with `x5t#S256` on v2, and
/// RS256 with `x5t` on v1 and for AD FS. The audience is the URL that the assertion is posted to.
/// The lifetime is ten minutes.
///
/// ```
/// use entra_proto::assertion::{
///     CertificateCredential, Signer, SignerError, SigningAlgorithm,
///     SigningCertificate,
/// };
///
/// struct Key {
///     certificate: SigningCertificate,
/// }
///
/// # fn sign_with_key(input: &[u8]) -> Vec<u8> { input.to_vec() }
/// impl Signer for Key {
///     fn certificate(&self) -> SigningCertificate {
///         self.certificate.clone()
///     }
///
///     fn sign(
///         &self,
///         _: &SigningCertificate,
///         _: SigningAlgorithm,
///         input: &[u8],
///     ) -> Result<Vec<u8>, SignerError> {
///         Ok(sign_with_key(input))
///     }
/// }
///
/// let certificate = SigningCertificate::new([0x5a; 20], [0xa5; 32], Vec::new());
/// let credential =
///     CertificateCredential::new(Key { certificate }).with_chain(true);
/// ```
#[derive(Clone)]
pub struct CertificateCredential {
    signer: AnySigner,
    algorithm: Option<SigningAlgorithm>,
    send_chain: bool,
    audience: AssertionAudience,
}

impl CertificateCredential {
    /// Creates a credential whose assertions `signer` signs.
    pub fn new(signer: impl Signer + 'static) -> Self {
        Self::from(Arc::new(signer) as Arc<dyn Signer>)
    }

    /// Creates a credential with an async signer, for drivers that await it. Other drivers fail
    /// with an error.
    pub fn new_async(signer: impl AsyncSigner + 'static) -> Self {
        Self::from(Arc::new(signer) as Arc<dyn AsyncSigner>)
    }

    fn signed_by(signer: AnySigner) -> Self {
        Self {
            signer,
            algorithm: None,
            send_chain: false,
            audience: AssertionAudience::TokenEndpoint,
        }
    }

    /// Sets the algorithm for all endpoints: RS256 with `x5t`, or PS256 with `x5t#S256`.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: SigningAlgorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Includes the certificate chain (`x5c`), for applications that are registered by subject name
    /// and issuer.
    #[must_use]
    pub fn with_chain(mut self, send_chain: bool) -> Self {
        self.send_chain = send_chain;
        self
    }

    /// Sets the audience (`aud`).
    #[must_use]
    pub fn with_audience(mut self, audience: AssertionAudience) -> Self {
        self.audience = audience;
        self
    }

    /// Returns the certificate whose key currently signs.
    #[must_use]
    pub fn certificate(&self) -> SigningCertificate {
        match &self.signer {
            AnySigner::Blocking(signer) => signer.certificate(),
            AnySigner::Async(signer) => signer.certificate(),
        }
    }

    /// Returns whether the signer is async ([`new_async`](Self::new_async)).
    #[must_use]
    pub fn is_async(&self) -> bool {
        matches!(self.signer, AnySigner::Async(_))
    }

    /// Signs the assertion.
    ///
    /// # Errors
    /// Returns the signer's error. Returns an error if the signer is async: see
    /// [`sign_async`](Self::sign_async).
    pub fn sign(&self, assertion: &UnsignedAssertion) -> Result<Vec<u8>, SignerError> {
        match &self.signer {
            AnySigner::Blocking(signer) => {
                signer.sign(assertion.certificate(), assertion.algorithm(), assertion.input())
            }
            AnySigner::Async(_) => Err(SignerError::new("the signer is async, and this caller cannot await it")
                .with_hint("use the async client, or a blocking signer")),
        }
    }

    /// Returns the future of an async signer's signature. A blocking signer signs within this call.
    ///
    /// The future's output is an error if the signer fails.
    pub fn sign_async<'a>(&'a self, assertion: &'a UnsignedAssertion) -> BoxFuture<'a, Result<Vec<u8>, SignerError>> {
        match &self.signer {
            AnySigner::Blocking(_) => Box::pin(future::ready(self.sign(assertion))),
            AnySigner::Async(signer) => signer.sign(assertion.certificate(), assertion.algorithm(), assertion.input()),
        }
    }

    /// Returns the unsigned assertion. `id` becomes its `jti` and must never be used twice.
    pub(crate) fn prepare(
        &self,
        authority: &Authority,
        version: EndpointVersion,
        client_id: ClientId,
        id: Guid,
        now: Timestamp,
    ) -> UnsignedAssertion {
        let algorithm = self.algorithm.unwrap_or_else(|| match version {
            _ if *authority.tenant() == Tenant::Adfs => SigningAlgorithm::Rs256,
            EndpointVersion::V1 => SigningAlgorithm::Rs256,
            EndpointVersion::V2 => SigningAlgorithm::Ps256,
        });
        let certificate = self.certificate();
        let mut header = format!("{{\"alg\":\"{}\",\"typ\":\"JWT\",\"", algorithm.as_str());
        // Services that accept PS256 accept the SHA-256 thumbprint; those that need RS256 may know
        // SHA-1 only.
        match algorithm {
            SigningAlgorithm::Rs256 => {
                header.push_str("x5t\":\"");
                URL_SAFE_NO_PAD.encode_string(certificate.sha1(), &mut header);
            }
            SigningAlgorithm::Ps256 => {
                header.push_str("x5t#S256\":\"");
                URL_SAFE_NO_PAD.encode_string(certificate.sha256(), &mut header);
            }
        }
        header.push('"');
        if self.send_chain {
            let mut open = ",\"x5c\":[\"";
            for der in certificate.chain() {
                header.push_str(open);
                STANDARD.encode_string(der, &mut header);
                open = "\",\"";
            }
            if open == "\",\"" {
                header.push_str("\"]");
            }
        }
        header.push('}');

        let expires_at = now.plus(LIFETIME);
        let (issued, expires) = (now.as_secs(), expires_at.as_secs());
        let mut claims = String::with_capacity(512);
        claims.push_str("{\"aud\":");
        self.audience.write(authority, version, &mut claims);
        // Writing to a String cannot fail.
        let _ = write!(
            claims,
            ",\"exp\":{expires},\"iat\":{issued},\"iss\":\"{client_id}\",\"jti\":\"{id}\",\"nbf\":{issued},\"sub\":\"{client_id}\"}}"
        );

        // The capacity includes the signature of a key of up to 4,096 bits.
        let length = (header.len() + claims.len()).div_ceil(3) * 4 + SIGNATURE_ROOM;
        let mut input = Zeroizing::new(String::with_capacity(length));
        URL_SAFE_NO_PAD.encode_string(&header, &mut input);
        input.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut input);
        UnsignedAssertion {
            input,
            algorithm,
            certificate,
            expires_at,
        }
    }
}

impl From<Arc<dyn Signer>> for CertificateCredential {
    fn from(signer: Arc<dyn Signer>) -> Self {
        Self::signed_by(AnySigner::Blocking(signer))
    }
}

impl From<Arc<dyn AsyncSigner>> for CertificateCredential {
    fn from(signer: Arc<dyn AsyncSigner>) -> Self {
        Self::signed_by(AnySigner::Async(signer))
    }
}

impl fmt::Debug for CertificateCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateCredential({:?})", self.certificate())
    }
}

#[derive(Clone)]
enum AnySigner {
    Blocking(Arc<dyn Signer>),
    Async(Arc<dyn AsyncSigner>),
}

/// The audience (`aud`) of a client assertion.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The URL of the token endpoint that the assertion is posted to, as MSAL sends it.
    #[default]
    TokenEndpoint,
    /// The authority with `/v2.0`, which is its issuer if the tenant is given by its ID. The draft
    /// that updates RFC 7523 (draft-ietf-oauth-rfc7523bis) requires the issuer.
    Issuer,
    /// The given text.
    Custom(Arc<str>),
}

impl AssertionAudience {
    /// Writes the audience as a JSON string.
    fn write(&self, authority: &Authority, version: EndpointVersion, json: &mut String) {
        // Writing to a String cannot fail, and neither URL can contain a character that needs an
        // escape.
        let _ = match self {
            Self::TokenEndpoint => write!(json, "\"{}\"", authority.token_endpoint(version)),
            Self::Issuer => write!(json, "\"{authority}/v2.0\""),
            Self::Custom(text) => write!(json, "{}", serde_json::Value::from(&**text)),
        };
    }
}

/// An assertion that waits for its signature: the two parts that are signed (RFC 7515, section
/// 5.1).
pub struct UnsignedAssertion {
    input: Zeroizing<String>,
    algorithm: SigningAlgorithm,
    certificate: SigningCertificate,
    expires_at: Timestamp,
}

impl UnsignedAssertion {
    /// Returns the bytes to sign: two base64url parts with a dot between them.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// Returns the algorithm of the signature.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Returns the certificate that the header names. Its key must sign.
    #[must_use]
    pub fn certificate(&self) -> &SigningCertificate {
        &self.certificate
    }

    /// Sets the expiry by the local clock, with which it is compared later. The claims have times
    /// of the service's clock, which may differ.
    pub(crate) fn made_at(mut self, now: Timestamp) -> Self {
        self.expires_at = now.plus(LIFETIME);
        self
    }

    /// Appends the signature.
    #[must_use]
    pub fn signed(mut self, signature: &[u8]) -> ClientAssertion {
        self.input.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut self.input);
        ClientAssertion::made(std::mem::take(&mut self.input)).with_expiry(self.expires_at)
    }
}

impl fmt::Debug for UnsignedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UnsignedAssertion({}, {:?})",
            self.algorithm.as_str(),
            self.certificate
        )
    }
}

/// The lifetime of an assertion. Entra recommends five to ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);

/// The length of the base64url of a 4,096-bit signature, and the dots.
const SIGNATURE_ROOM: usize = 700;

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Signer for Fixed {
        fn certificate(&self) -> SigningCertificate {
            let sha1 = [
                0x84, 0xe0, 0x5c, 0x1d, 0x98, 0xbc, 0xe3, 0xa5, 0x42, 0x1d, 0x22, 0x5b, 0x14, 0x0b, 0x36, 0xe8, 0x6a,
                0x3d, 0x55, 0x34,
            ];
            SigningCertificate::new(sha1, [0xff; 32], vec![vec![0; 3], vec![0xff; 4]])
        }

        fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
            Ok(vec![1, 2, 3])
        }
    }

    fn parts(credential: &CertificateCredential, version: EndpointVersion) -> [String; 2] {
        let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
        let id = ClientId::from(Guid::from_bytes([0xaa; 16]));
        let unsigned = credential.prepare(
            &authority,
            version,
            id,
            Guid::from_bytes([7; 16]),
            Timestamp::from_secs(1_767_225_600),
        );
        let jwt = unsigned.signed(&[1, 2, 3]);
        let parts: Vec<&str> = jwt.expose().split('.').collect();
        assert_eq!(parts[2], "AQID");
        [parts[0], parts[1]].map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
    }

    #[test]
    fn v2_uses_ps256_and_the_sha256_thumbprint() {
        let [header, claims] = parts(&CertificateCredential::new(Fixed), EndpointVersion::V2);
        assert_eq!(
            header,
            format!(r#"{{"alg":"PS256","typ":"JWT","x5t#S256":"{}"}}"#, "_".repeat(42) + "8")
        );
        assert_eq!(
            claims,
            concat!(
                r#"{"aud":"https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token","exp":1767226200,"iat":1767225600,"#,
                r#""iss":"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa","jti":"07070707-0707-0707-0707-070707070707","nbf":1767225600,"#,
                r#""sub":"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"}"#
            )
        );
    }

    #[test]
    fn v1_uses_rs256_and_the_sha1_thumbprint() {
        let [header, claims] = parts(&CertificateCredential::new(Fixed), EndpointVersion::V1);
        assert_eq!(
            header,
            r#"{"alg":"RS256","typ":"JWT","x5t":"hOBcHZi846VCHSJbFAs26Go9VTQ"}"#
        );
        assert!(
            claims.starts_with(r#"{"aud":"https://login.microsoftonline.com/contoso.com/oauth2/token","#),
            "{claims}"
        );
    }

    #[test]
    fn chain_is_clean_base64_with_the_leaf_first() {
        let [header, _] = parts(&CertificateCredential::new(Fixed).with_chain(true), EndpointVersion::V1);
        assert!(header.ends_with(r#","x5c":["AAAA","/////w=="]}"#), "{header}");
    }

    #[test]
    fn audience_can_be_chosen() {
        let issuer = CertificateCredential::new(Fixed).with_audience(AssertionAudience::Issuer);
        assert!(
            parts(&issuer, EndpointVersion::V2)[1]
                .starts_with(r#"{"aud":"https://login.microsoftonline.com/contoso.com/v2.0","#)
        );
        let custom = CertificateCredential::new(Fixed).with_audience(AssertionAudience::Custom("a\"b".into()));
        assert!(parts(&custom, EndpointVersion::V2)[1].starts_with(r#"{"aud":"a\"b","#));
    }
}
