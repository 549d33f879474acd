//! A token as Entra issues them, and the documents of the cloud that issued it. `tests/peers`
//! measures with the same one.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_validate::{Api, Audience, Permissions, Tenants};
use serde_json::{Value, json};

/// A daemon's token of about 2 kB, signed with a key of this run.
pub(crate) struct Issued {
    pub(crate) token: String,
    key: KeyPair,
}

impl Issued {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "aud": API, "iss": ISSUER, "iat": now - 300, "nbf": now - 300, "exp": now + 3600, "aio": "k2RgYPj/".repeat(6),
            "azp": "22223333-cccc-4444-dddd-5555eeee6666", "azpacr": "1", "idtyp": "app",
            "oid": "33334444-dddd-5555-eeee-6666ffff7777", "rh": "x".repeat(700), "roles": [ROLE, "ToDoList.ReadWrite.All"],
            "sub": "33334444-dddd-5555-eeee-6666ffff7777", "tid": TENANT, "uti": "x".repeat(22), "ver": "2.0",
        });
        let mut issued = Self {
            token: String::new(),
            key,
        };
        let signed = format!("{}.{}", header(KID), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; issued.key.public_modulus_len()];
        issued
            .key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        issued.token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        issued
    }

    /// Returns the token with an unknown key ID.
    pub(crate) fn forged(&self, kid: &str) -> String {
        let (_, rest) = self.token.split_once('.').unwrap();
        format!("{}.{rest}", header(kid))
    }

    /// The verification of the signature and nothing else, as often as it is called.
    pub(crate) fn bare_verification(&self) -> impl Fn() + use<> {
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.public_key().as_ref()).unwrap();
        let (signed, signature) = self.token.rsplit_once('.').unwrap();
        let (signed, signature) = (signed.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        move || key.verify_sig(signed.as_bytes(), &signature).unwrap()
    }

    /// The document with the signing keys.
    pub(crate) fn jwks(&self) -> Value {
        let public = self.key.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": KID, "x5t": KID,
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
            "cloud_instance_name": "microsoftonline.com",
        }]})
    }

    /// The document that names the issuer and the address of the keys.
    pub(crate) fn metadata() -> Value {
        json!({
            "issuer": ISSUER,
            "jwks_uri": "https://login.microsoftonline.com/common/discovery/v2.0/keys",
            "cloud_instance_name": "microsoftonline.com",
        })
    }
}

/// The API that the token is for.
pub(crate) fn api() -> Api {
    let audience = Audience::app(API.parse().unwrap());
    let permissions = Permissions::any_of(["ToDoList.Read"], [ROLE]).unwrap();
    Api::new(audience, Tenants::One(TENANT.parse().unwrap()), permissions).unwrap()
}

fn header(kid: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"typ": "JWT", "alg": "RS256", "kid": kid, "x5t": kid}).to_string())
}

pub(crate) const API: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
pub(crate) const ISSUER: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0";
pub(crate) const KID: &str = "nbCwW11w3XkB-xUaXwKRSLjMHGQ";
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const ROLE: &str = "ToDoList.Read.All";
