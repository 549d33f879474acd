//! The signing keys of tokens and their rotation.

use std::sync::RwLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The signing keys of one emulator: the active key, and earlier keys that are still published.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// The index of the initial key.
    first: usize,
    /// Indexes into [`EMBEDDED`]; the last one signs.
    published: RwLock<Vec<usize>>,
}

impl KeyRing {
    /// Returns the key ring of a seed. It holds one key, and the same seed always selects the same
    /// key.
    pub(crate) fn new(seed: u64) -> Self {
        let first = (seed % EMBEDDED.len() as u64) as usize;
        Self {
            first,
            published: RwLock::new(vec![first]),
        }
    }

    /// Publishes only the initial key again.
    pub(crate) fn reset(&self) {
        *self.published.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = vec![self.first];
    }

    /// Returns the active signing key.
    pub(crate) fn signing(&self) -> &'static Key {
        let published = self.published.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        &EMBEDDED[published.last().copied().unwrap_or(0)]
    }

    /// Returns the IDs of the published keys, the signing key last.
    pub(crate) fn ids(&self) -> Vec<&'static str> {
        self.published().iter().map(|key| key.kid).collect()
    }

    /// Returns all keys in the key documents, the signing key last.
    pub(crate) fn published(&self) -> Vec<&'static Key> {
        let published = self.published.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        published.iter().map(|&index| &EMBEDDED[index]).collect()
    }

    /// Returns a key by its ID, published or not.
    pub(crate) fn find(kid: &str) -> Option<&'static Key> {
        EMBEDDED.iter().chain([&STRANGER]).find(|key| key.kid == kid)
    }

    /// Makes the next key the signing key. The previous keys stay published if `overlap` is set.
    pub(crate) fn rotate(&self, overlap: bool) {
        let mut published = self.published.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let next = (published.last().copied().unwrap_or(0) + 1) % EMBEDDED.len();
        if overlap {
            published.retain(|&index| index != next);
        } else {
            published.clear();
        }
        published.push(next);
    }

    /// Withdraws every key but the signing key.
    pub(crate) fn retire(&self) {
        let mut published = self.published.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(signing) = published.pop() {
            published.clear();
            published.push(signing);
        }
    }
}

/// One embedded test key, with the members that a key document shows.
#[derive(Debug)]
pub(crate) struct Key {
    /// The key ID, which is also the certificate thumbprint, as at Entra: base64url of the
    /// certificate's SHA-1.
    pub(crate) kid: &'static str,
    /// The RSA modulus in base64url.
    pub(crate) n: &'static str,
    certificate: &'static [u8],
    private: &'static [u8],
}

impl Key {
    /// Returns the certificate in standard base64, as in `x5c`.
    pub(crate) fn x5c(&self) -> String {
        STANDARD.encode(self.certificate)
    }

    /// Returns the public key in PEM (`BEGIN PUBLIC KEY`).
    pub(crate) fn public_pem(&self) -> String {
        let (_, certificate) = X509Certificate::from_der(self.certificate).expect("an embedded certificate");
        pem("PUBLIC KEY", certificate.public_key().raw)
    }

    /// Returns the certificate in PEM.
    pub(crate) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", self.certificate)
    }

    pub(crate) fn encoding(&self) -> EncodingKey {
        EncodingKey::from_rsa_der(self.private)
    }

    pub(crate) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_rsa_components(self.n, EXPONENT).expect("embedded moduli are base64url")
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

/// The signature algorithm of every token.
pub(crate) const ALGORITHM: Algorithm = Algorithm::RS256;

/// The public exponent 65537 in base64url.
pub(crate) const EXPONENT: &str = "AQAB";

macro_rules! embedded {
    ($number:literal, $kid:literal, $n:literal) => {
        Key {
            kid: $kid,
            n: $n,
            certificate: include_bytes!(concat!("../../keys/cert", $number, ".der")),
            private: include_bytes!(concat!("../../keys/key", $number, ".der")),
        }
    };
}

static EMBEDDED: [Key; 6] = [
    embedded!(
        0,
        "AMjnlieCLT0esL6AYk24IkCPVas",
        "qKYkGVVkddVH2lrZdrFyrEBzX3w8k8kDSPDDqplerthy2ELX2aXEmAt82zwx6g9cUS-O9665dl-tdJv5yJlyeuHSuLybwl9TJ5Fw-8LzJqkKcnD8dLU7WQKTZfB1u_im3Mx4oXmAReZgcp9oHTnWmitrHr3JDehLePIx96We9ib47H-femfFaOYJyFL-H1H5YAf5OiImnSB9ANcz00abaLtK7ttAG8z0vrGnulf7aZ_t0Yi54VWnJIRkZVxF602oFiAL1a1mILjY8uATEWW1LdrIOy6AnGmIwd1mDO9R0MGm3BVT2QgLZbC_SBabe_bLvg3Lr_Yu5Xz9mtvyjAPpUw"
    ),
    embedded!(
        1,
        "zmSQKCiOs-FYpwgW6yhhbP33JX4",
        "vEcxEGO6tQ1bcjTPmJoV1Vh0Lp1OnHOFTu5_oJeqBNJ-488gcJ0gV7piQzlCLllsvOiTDvpV7mssD5Aaam0yn6pzoWXz_1sxmO73tCUjg-WxSpFh5_D3sPYpaMA0-UrAt6uym8swYmNScglIw0emi3JMvU3QVwuisRgJKLv5bJIM8XEbo-dOw2acgOZJ9o8-5gaBvAqx6X0-qM8Z7kENtwV4uD5kfcxqWDogVQQ6UNaZX7mHdEURrhtY2tc8XIvBDKOgpJwsRUYeo0pscYuovbcJNQVUs6-E2lcu43KuGDL0K5oy4yRiBi-UT-bZzahxr1WUY-hydLfD5eEgkB5nAw"
    ),
    embedded!(
        2,
        "-xm957LorZDQK721H2EvB5Hxz8A",
        "tli2rraTMaE8LI7HIvMKTbIejOKEVKRW9yBS7sQtSV2mpWAD3hVsd4nMFQFL0WBPMFBuVZAfrY1bipY6vtxhxSyRF40jHWRneF6Kr6ilyAsu6beEska091VXLwaBlGqs7y2vqkFM6nxQY_iA0UsGPSAwrwF5UvTr7UThiMn8g8jcUBtHO2fW21xnDONPwTqeqU0uideeqQzCPpJjEW7kZabCAGs_wlJ8p6qGi3yb1Siyx9Wd1PqFg8-o2qYZ5P_6HvpRJhGQggZfo5E70xvZRkkZajW13ju7qq1GXbbJVWfl9wtGJyc_IlASzvQhQN_7GnefYPtgYNZFuwsuZue8PQ"
    ),
    embedded!(
        3,
        "evhx259-ReP-cb5IKQKvPh62c5E",
        "rRX3nWsWDfHzt6ARLaYasGQSb59pMLMImOtlk74lhx_gqawlJgl8mEnlDePg-xYEmjXsjccGhcy10mELZwc88pGw5qzEIo3hSFcpYZolPSscONJZIUVqvG1cuIjEu36YQjgWO5-y-bDuD-Ks-OWeEL72HpHnjPCoN66tR4FnxHHLVy1ML30O5ZM65T6wX44uyGi9JytyZRiINRImCKn6GDYIZcAhp53ebgx9WwEFTcYRk1Y67RByRG7NsCAwxbP-dkuYxPVjlrgnCEXmoIATvSiqp3Z7g96Qro0bdi1IIy-9KqOhq-nWbATXN5K-qS4dMH4B6I0CyCiZcUnuwaFkJw"
    ),
    embedded!(
        4,
        "-c1-sji4nK-F9hoQCh8miJM0qFY",
        "sayemcL4Rs0QSo5D6pcrOYB5WZwNJbNmmLmWeK_SBS9h8DTNsROYj5LB7qfHSFNHz74xejHjHY6KlSUYmJ2twXrr8q9Vw-HVIfM2_G_Krd64p07MmSdkAUQDQ6JXxIGkXtZXf3KtMBrVmJXoNhB3P3eyvg-jEw8Jxo50OsHuApEzithfcdKUA9Pz6XGV17e-496YbtUh-PpE-HVUXwHy7Yd6P4ZcjZEo7Zv4yGJ7OIZqtV7GPXz3S_dnWuZkvnoP9GZurQzBC14dCmIJJwHZl6fxcP2_4o_WhE4d_Kmz6CQmqEnsY-pZRq2FpmQwW7rGgr3gMT9h8gJ2Jj6aaTBy8Q"
    ),
    embedded!(
        5,
        "PfadOyWmWZjl9TlYg4J8G7WK0e8",
        "pFAialHxDyoQUdX1lrLg38IdHQkNvX1X36MsN1XnXvmLDMHU9BLzWj1YLMzJ1ScUzsF3aVA78gXJlF7oueUsVFhL_5TDmFq_RPcmn25fBLtZjPfLKc1Ryti16ZJuYCEqmIkQg4IlHWOp22cAH4_s2NxJI0Yovi9znG47mqAKiF5Yskiryq6nV6Ynd5XIBZ5xL8_CUj5d2-Tvk7dtAC6uyCzziIfRfnAGff6hnlPMM_HeLP_bngPyLS0IqR0j6yMqXUW2INqA3rhLb0V_6IQS0KD_Vh-hdbT2Ia1jzaLNW3alSyiJijkOUNmtyM_NN7uE_0JbLMB3_y8maSoAdjQL4Q"
    ),
];

/// A key that no key document lists, for forged tokens.
pub(crate) static STRANGER: Key = embedded!(
    6,
    "u-PVuxsnU_fkSHjQZRQOjL_m2WE",
    "1rfUZYCTwpTPbYIxIazcepf3lv9P7GCSiyOZVUXzdpd51SpZGGEknDupzJwBAmQc-ddc1_ez3dLbfdnYj_e51IWC_Mkc07TkA0WkAd5ycZNKNOX4Fw-tOrCie6bWDvD8jZraBRWh0zrbnbgCWxvYel4OVpBiOBWUgQL3rVoUXsFsW4-xV_9AENPlvE1zQlq1sH2OfKGYuGWzPvBat_BqSTfJ-wWL2A8wb9u-N70lfngPlhoXF-RXDBaCZb2z68U1KCuk4zV-HvmHVkWC8oFqmf3Gk51kZWxibzvoqX6zZJA32JUjyljTkFbh5jPpsSnI6FTN3kajlbemt0kJ6gnH0w"
);

/// The key of the second issuer. It never signs a token of Entra.
pub(crate) static SECOND: Key = embedded!(
    7,
    "rvJ0xozyNyBiQmgRjoyujMF2M3I",
    "09il36Ark-Ghk2Re50P7T7p-bYWOl2FZuJBVrQ3y_QKlBOlEUQ_gvveE7k78M10XcAhvwbRCagg5jNLZoDQcZlxlDfIrLGYx3RHoB_v5A8h9U6Fu2pexycmGp1uE4xnoETHH4tH7uMJ5R0c-9NhzthDpEeUXJnTMNzu44msSEcnvuCVo69HZpJJs16ialP_w7IZ6dg1pYOjjiL-chqp7wtwfuP2g7Iess8kxibW3HLdFUC0GNbVfLlH4Sxs2kll8rCP1K0y6s1BzhvcTekxYM9u9QzhbjucXoJXJdJyVg8DsoGk8QH4CXPKV1RQWwhig3_GDArabbK-bk3gCTU_wLw"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_signs_what_its_public_half_verifies() {
        for key in EMBEDDED.iter().chain([&STRANGER, &SECOND]) {
            let token = jsonwebtoken::encode(
                &jsonwebtoken::Header::new(ALGORITHM),
                &serde_json::json!({"sub": "a"}),
                &key.encoding(),
            )
            .unwrap();
            let mut rules = jsonwebtoken::Validation::new(ALGORITHM);
            rules.required_spec_claims.clear();
            rules.validate_exp = false;
            assert!(
                jsonwebtoken::decode::<serde_json::Value>(&token, &key.decoding(), &rules).is_ok(),
                "{}",
                key.kid
            );
        }
    }

    #[test]
    fn rotation_keeps_the_old_key_only_with_overlap() {
        let ring = KeyRing::new(4);
        let first = ring.signing().kid;
        ring.rotate(true);
        assert_ne!(ring.signing().kid, first);
        assert_eq!(ring.published().len(), 2);
        ring.rotate(false);
        assert_eq!(ring.published().len(), 1);
        ring.rotate(true);
        ring.retire();
        assert_eq!(ring.published().len(), 1);
    }
}
