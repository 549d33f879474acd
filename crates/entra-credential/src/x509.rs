use entra_proto::Timestamp;

use crate::der::{BIT_STRING, CONTEXT_0, Der, DerError, GENERALIZED_TIME, INTEGER, OID, SEQUENCE, UTC_TIME};
use crate::error::Error;
use crate::name::name;
use crate::{der, thumbprints};

/// What is read from an X.509 certificate (RFC 5280, section 4.1). Its signature is not checked: that is for whoever trusts it, and
/// Entra trusts what is registered.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// All of it, in DER.
    pub(crate) der: Vec<u8>,
    pub(crate) serial: String,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) key: PublicKey,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

/// The key that a certificate is about.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// One of another kind: its name.
    Other(String),
}

impl Certificate {
    /// Reads a certificate. What follows it in `bytes` is left out: OpenSSL writes its own notes there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).map_err(Error::der("a certificate"))
    }

    /// Whether `issuer` may have issued it, by name.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Whether it names itself as its issuer.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.is_issued_by(self)
    }

    fn read(bytes: &[u8]) -> Result<Self, DerError> {
        let certificate = Der::new(bytes).element(SEQUENCE)?;
        let mut parts = Der::new(certificate.value);
        let mut tbs = parts.inside(SEQUENCE)?;
        parts.element(SEQUENCE)?;
        parts.element(BIT_STRING)?;
        parts.end()?;

        tbs.optional(CONTEXT_0)?; // the version
        let serial = tbs.value(INTEGER)?;
        tbs.element(SEQUENCE)?; // the signature's algorithm
        let issuer = tbs.element(SEQUENCE)?;
        let mut validity = tbs.inside(SEQUENCE)?;
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        let subject = tbs.element(SEQUENCE)?;
        let key = public_key(tbs.inside(SEQUENCE)?)?;
        Ok(Self {
            der: certificate.whole.to_vec(),
            serial: thumbprints::hex(der::without_leading_zeros(serial)),
            subject: name(subject.value)?,
            issuer: name(issuer.value)?,
            not_before,
            not_after,
            key,
            subject_der: subject.whole.to_vec(),
            issuer_der: issuer.whole.to_vec(),
        })
    }
}

/// A SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7; RFC 3279, section 2.3.1).
fn public_key(mut info: Der<'_>) -> Result<PublicKey, DerError> {
    let mut algorithm = info.inside(SEQUENCE)?;
    let oid = algorithm.value(OID)?;
    let bits = info.value(BIT_STRING)?;
    if oid != RSA {
        return Ok(PublicKey::Other(key_type(oid, algorithm)));
    }
    let [0, key @ ..] = bits else {
        return Err(DerError::Damaged);
    };
    let mut key = Der::new(key).inside(SEQUENCE)?;
    Ok(PublicKey::Rsa {
        modulus: key.natural()?.to_vec(),
        exponent: key.natural()?.to_vec(),
    })
}

/// How people call the key of this algorithm. `parameters` stand behind its identifier: the curve, say.
pub(crate) fn key_type(oid: &[u8], mut parameters: Der<'_>) -> String {
    if oid == EC {
        return parameters.value(OID).map_or_else(|_| "EC".to_owned(), curve);
    }
    let known = KEY_TYPES.iter().find(|(known, _)| *known == oid);
    known.map_or_else(|| format!("of type {}", der::Oid(oid)), |(_, name)| (*name).to_owned())
}

/// How people call the key on this curve.
pub(crate) fn curve(oid: &[u8]) -> String {
    let known = CURVES.iter().find(|(known, _)| *known == oid);
    known.map_or_else(
        || format!("EC on the curve {}", der::Oid(oid)),
        |(_, name)| (*name).to_owned(),
    )
}

/// A moment of a certificate (RFC 5280, section 4.1.2.5). What lies before 1970 counts as 1970.
fn time(der: &mut Der<'_>) -> Result<Timestamp, DerError> {
    let element = der.any()?;
    let (century, digits) = match element.tag {
        UTC_TIME => {
            let two = element.value.first().ok_or(DerError::Damaged)?;
            (if *two >= b'5' { "19" } else { "20" }, element.value)
        }
        GENERALIZED_TIME => ("", element.value),
        _ => return Err(DerError::Damaged),
    };
    let mut text = [0; 15];
    if century.len() + digits.len() != text.len() {
        return Err(DerError::Damaged);
    }
    for (slot, byte) in text.iter_mut().zip(century.bytes().chain(digits.iter().copied())) {
        *slot = byte;
    }
    moment(&text).ok_or(DerError::Damaged)
}

/// `YYYYMMDDHHMMSSZ` as a moment.
fn moment(text: &[u8; 15]) -> Option<Timestamp> {
    let mut digits = text.iter().map(|byte| char::from(*byte).to_digit(10).map(i64::from));
    let mut number = |length: usize| -> Option<i64> {
        let mut number = 0;
        for _ in 0..length {
            number = number * 10 + digits.next()??;
        }
        Some(number)
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let (hour, minute, second) = (number(2)?, number(2)?, number(2)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range || text.last() != Some(&b'Z') {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - DAYS_TO_1970
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// The algorithm of an RSA key: 1.2.840.113549.1.1.1.
pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The algorithm of a key on a curve that its parameters name: 1.2.840.10045.2.1.
pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

const KEY_TYPES: &[(&[u8], &str)] = &[
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        "RSASSA-PSS (an RSA key bound to one padding)",
    ),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA"),
    (&[0x2b, 0x65, 0x6e], "X25519"),
    (&[0x2b, 0x65, 0x6f], "X448"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
];

const CURVES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "EC P-256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "EC P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "EC P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "EC secp256k1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_since_1970() {
        let secs = |text: &[u8; 15]| moment(text).map(Timestamp::as_secs);
        assert_eq!(secs(b"19700101000000Z"), Some(0));
        assert_eq!(secs(b"20000229235959Z"), Some(951_868_799));
        assert_eq!(secs(b"20261120120000Z"), Some(1_795_176_000));
        assert_eq!(secs(b"99991231235959Z"), Some(253_402_300_799));
        assert_eq!(secs(b"19500101000000Z"), Some(0));
        for bad in [
            b"20261320120000Z",
            b"20261100120000Z",
            b"20261120240000Z",
            b"2026112012000+Z",
            b"20261120120000+",
        ] {
            assert_eq!(secs(bad), None);
        }
    }

    #[test]
    fn years_of_two_digits_are_from_1950_to_2049() {
        let secs = |digits: &[u8; 13]| {
            let bytes = [&[UTC_TIME, 13][..], digits].concat();
            time(&mut Der::new(&bytes)).map(Timestamp::as_secs)
        };
        assert_eq!(secs(b"700101000000Z"), Ok(0));
        assert_eq!(secs(b"491231235959Z"), Ok(2_524_607_999));
        assert_eq!(secs(b"500101000000Z"), Ok(0));
    }
}
