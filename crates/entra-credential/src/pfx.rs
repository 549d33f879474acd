//! PFX files and encrypted private keys.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::allowance::Allowance;
use crate::ber;
use crate::contents::Bundle;
use crate::der::{CONTEXT_0, CONTEXT_0_STRING, Der, DerError, INTEGER, OCTET_STRING, OID, SEQUENCE, SET};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::mac::Mac;
use crate::pkcs12::{ADVICE, Password};
use crate::warning::Warning;

/// Adds the contents of a PFX file (PKCS#12, RFC 7292) to `bundle`.
pub(crate) fn open(bytes: &[u8], password: &str, bundle: &mut Bundle) -> Result<(), Error> {
    let mut reader = Reader {
        password,
        pkcs12: Password::new(password),
        shrouded: Vec::new(),
        bundle,
    };
    reader.file(bytes).map_err(|error| match error {
        // Without a password, the missing password is the likely problem.
        Error::WrongPassword if password.is_empty() => Error::EmptyPassword,
        other => other,
    })
}

/// Reserves the rounds that decrypting this private key takes.
pub(crate) fn spend_on_key(allowance: &mut Allowance, der: &[u8]) -> Result<(), Error> {
    allowance.spend(encrypted_key(der)?.rounds()?)
}

/// Decrypts a private key (RFC 5208, section 6) whose rounds have been reserved from an
/// [`Allowance`].
pub(crate) fn private_key(der: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    opened_key(encrypted_key(der)?, password, &Password::new(password))
}

fn opened_key(envelope: Envelope<'_>, password: &str, pkcs12: &Password) -> Result<Zeroizing<Vec<u8>>, Error> {
    let opened = envelope.open(password, pkcs12)?;
    // One of 256 wrong passwords passes the padding check, and the result is noise.
    let mut key = Der::new(&opened);
    let sound = key.inside(SEQUENCE).and_then(|mut parts| parts.element(INTEGER));
    match sound.and_then(|_| key.end()) {
        Ok(()) => Ok(opened),
        Err(_) => Err(Error::WrongPassword),
    }
}

fn encrypted_key(der: &[u8]) -> Result<Envelope<'_>, Error> {
    Der::new(der)
        .inside(SEQUENCE)
        .and_then(Envelope::of_key)
        .map_err(Error::der("the encrypted private key"))
}

/// A reader of a file that reserves the rounds of each key derivation first. The file determines
/// the cost: it can name 2^31 rounds, or a gigabyte for scrypt, in a few bytes. The reader also
/// names unsupported contents.
struct Reader<'p> {
    password: &'p str,
    /// The password in the form of the MAC and of the older encryption.
    pkcs12: Password,
    /// The encrypted keys. They are decrypted when the rounds of all of them have been reserved.
    shrouded: Vec<Vec<u8>>,
    bundle: &'p mut Bundle,
}

impl Reader<'_> {
    fn file(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.first() != Some(&SEQUENCE) {
            return Err(Error::NotACredential);
        }
        let (file, _) = ber::to_der(bytes).map_err(damaged)?;
        let mut parts = Der::new(&file).inside(SEQUENCE).map_err(damaged)?;
        if parts
            .optional(INTEGER)
            .map_err(damaged)?
            .is_none_or(|version| version.value != [VERSION])
        {
            return Err(Error::NotACredential);
        }
        let safes = parts.inside(SEQUENCE).map_err(damaged)?;
        let mac = parts.optional(SEQUENCE).map_err(damaged)?;
        parts.end().map_err(damaged)?;
        let content = content(safes, DATA, "a PFX file protected by a signature")?;
        let safes = octets(content).map_err(damaged)?;
        match mac {
            Some(mac) => self.mac(Der::new(mac.value), safes.rest())?,
            None => self.bundle.doubt(Warning::IntegrityNotProtected),
        }
        self.safes(&in_der(safes.rest())?)?;
        for key in &self.shrouded {
            let envelope = shrouded_key(Der::new(key)).map_err(damaged)?;
            let key = opened_key(envelope, self.password, &self.pkcs12)?;
            self.bundle.keys.push(key);
        }
        Ok(())
    }

    /// Checks the MacData over the protected contents, and with it the password.
    fn mac(&mut self, mac: Der<'_>, content: &[u8]) -> Result<(), Error> {
        let mac = Mac::read(mac)?;
        self.bundle.allowance.spend(mac.rounds)?;
        if mac.is_sound(content, self.password, &self.pkcs12) {
            return Ok(());
        }
        // Some tools treat the empty password as no password, and encrypt the rest that way too. A
        // file that is too expensive for a second attempt most likely has a password.
        if self.password.is_empty() && self.bundle.allowance.spend(mac.rounds).is_ok() {
            self.pkcs12 = Password::none();
            if mac.is_sound(content, self.password, &self.pkcs12) {
                return Ok(());
            }
        }
        Err(Error::WrongPassword)
    }

    /// Reads the protected contents: an AuthenticatedSafe.
    fn safes(&mut self, der: &[u8]) -> Result<(), Error> {
        let mut safes = Der::new(der).inside(SEQUENCE).map_err(damaged)?;
        while !safes.is_empty() {
            self.safe(safes.inside(SEQUENCE).map_err(damaged)?)?;
        }
        Ok(())
    }

    /// Reads a ContentInfo with bags, encrypted or not.
    fn safe(&mut self, info: Der<'_>) -> Result<(), Error> {
        let mut kind = info;
        if kind.value(OID).map_err(damaged)? == DATA {
            let content = content(info, DATA, "")?;
            let bags = in_der(octets(content).map_err(damaged)?.rest())?;
            return self.bags(Der::new(&bags), DEEPEST);
        }
        let content = content(info, ENCRYPTED_DATA, "a PFX file encrypted for a certificate")?;
        let Some(sealed) = encrypted_data(content).map_err(damaged)? else {
            return Ok(());
        };
        let envelope = Envelope::new(sealed.algorithm, &sealed.bytes).map_err(damaged)?;
        self.bundle.allowance.spend(envelope.rounds()?)?;
        let bags = envelope.open(self.password, &self.pkcs12)?;
        let read = in_der(&bags).and_then(|bags| self.bags(Der::new(&bags), DEEPEST));
        read.map_err(|error| match error {
            // Noise after a wrong password, as with a key.
            Error::Damaged(_) => Error::WrongPassword,
            other => other,
        })
    }

    /// Reads SafeContents that may contain others down to this depth.
    fn bags(&mut self, mut contents: Der<'_>, depth: usize) -> Result<(), Error> {
        let mut bags = contents.inside(SEQUENCE).map_err(damaged)?;
        contents.end().map_err(damaged)?;
        while !bags.is_empty() {
            let mut bag = bags.inside(SEQUENCE).map_err(damaged)?;
            let kind = bag.value(OID).map_err(damaged)?;
            let value = bag.inside(CONTEXT_0).map_err(damaged)?;
            bag.optional(SET).map_err(damaged)?;
            bag.end().map_err(damaged)?;
            match kind {
                KEY => self.bundle.keys.push(Zeroizing::new(value.rest().to_vec())),
                SHROUDED_KEY => {
                    let envelope = shrouded_key(value).map_err(damaged)?;
                    self.bundle.allowance.spend(envelope.rounds()?)?;
                    self.shrouded.push(value.rest().to_vec());
                }
                CERTIFICATE => {
                    if let Some(certificate) = x509_certificate(value).map_err(damaged)? {
                        self.bundle.certificates.push(certificate.to_vec());
                    }
                }
                SAFE_CONTENTS => match depth.checked_sub(1) {
                    Some(depth) => self.bags(value, depth)?,
                    None => return Err(Error::Damaged(PFX)),
                },
                // Revocation lists and secrets of other kinds are ignored.
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the contents of a ContentInfo of this kind.
fn content<'a>(mut info: Der<'a>, kind: &[u8], otherwise: &'static str) -> Result<Der<'a>, Error> {
    if info.value(OID).map_err(damaged)? != kind {
        return Err(Error::unsupported(otherwise, ADVICE));
    }
    let content = info.inside(CONTEXT_0).map_err(damaged)?;
    info.end().map_err(damaged)?;
    Ok(content)
}

/// Returns the contents of the single OCTET STRING.
fn octets(mut der: Der<'_>) -> Result<Der<'_>, DerError> {
    let octets = der.inside(OCTET_STRING)?;
    der.end()?;
    Ok(octets)
}

/// Returns the contents of an OCTET STRING, converted to DER.
fn in_der(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    match ber::to_der(content).map_err(damaged)? {
        (der, []) => Ok(der),
        _ => Err(damaged(DerError::Damaged)),
    }
}

/// The parts of an EncryptedData (RFC 5652, section 8).
struct Sealed<'a> {
    algorithm: Der<'a>,
    bytes: Cow<'a, [u8]>,
}

/// Reads an EncryptedData unless it is empty.
fn encrypted_data(mut der: Der<'_>) -> Result<Option<Sealed<'_>>, DerError> {
    let mut data = der.inside(SEQUENCE)?;
    der.end()?;
    data.element(INTEGER)?; // the version
    let mut info = data.inside(SEQUENCE)?;
    info.element(OID)?; // what is in it
    let algorithm = info.inside(SEQUENCE)?;
    let sealed = match info.peek() {
        // BER may write it in segments.
        Some(CONTEXT_0) => Some(ber::pieces(info.value(CONTEXT_0)?)?.to_vec().into()),
        _ => info.optional(CONTEXT_0_STRING)?.map(|sealed| sealed.value.into()),
    };
    info.end()?;
    Ok(sealed.map(|bytes| Sealed { algorithm, bytes }))
}

/// Reads the envelope of a PKCS8ShroudedKeyBag.
fn shrouded_key(mut value: Der<'_>) -> Result<Envelope<'_>, DerError> {
    let info = value.inside(SEQUENCE)?;
    value.end()?;
    Envelope::of_key(info)
}

/// Returns the certificate in a CertBag if it is an X.509 certificate.
fn x509_certificate(mut value: Der<'_>) -> Result<Option<&[u8]>, DerError> {
    let mut bag = value.inside(SEQUENCE)?;
    value.end()?;
    if bag.value(OID)? != X509_CERTIFICATE {
        return Ok(None);
    }
    let certificate = octets(bag.inside(CONTEXT_0)?)?;
    Ok(Some(certificate.rest()))
}

fn damaged(error: DerError) -> Error {
    Error::der(PFX)(error)
}

const PFX: &str = "the PFX file";

/// The only version.
const VERSION: u8 = 3;
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06];
const KEY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x01];
const SHROUDED_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02];
const CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];
const SAFE_CONTENTS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x06];
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];

/// The deepest nesting of bags. Real files do not nest them.
const DEEPEST: usize = 8;
