use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as P12Error;
use zeroize::Zeroizing;

use crate::MAX_ITERATIONS_OF_FILE;
use crate::bundle::Bundle;
use crate::der::{CONTEXT_0, CONTEXT_0_STRING, Der, DerError, INTEGER, OCTET_STRING, OID, SEQUENCE, SET};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::warning::Warning;

/// What a PFX file (PKCS#12, RFC 7292) holds, and whether it can tell that nobody changed it.
pub(crate) fn open(bytes: &[u8], password: &str) -> Result<(Bundle, Option<Warning>), Error> {
    let mut guard = Guard {
        password,
        allowance: Allowance::of_a_file(),
    };
    let checked = guard.file(bytes).map_err(|error| of_password(error, password))?;
    let bundle = read(checked.file, password).map_err(|error| of_password(error, password))?;
    let doubt = (!checked.has_mac).then_some(Warning::IntegrityNotProtected);
    Ok((bundle, doubt))
}

/// How many rounds of key derivation a file may still take.
pub(crate) struct Allowance(u64);

impl Allowance {
    pub(crate) fn of_a_file() -> Self {
        Self(MAX_ITERATIONS_OF_FILE)
    }

    /// Sets aside what it takes to open this private key.
    pub(crate) fn spend_on_key(&mut self, der: &[u8]) -> Result<(), Error> {
        self.spend(encrypted_key(der)?.rounds()?)
    }

    fn spend(&mut self, rounds: u64) -> Result<(), Error> {
        self.0 = self.0.checked_sub(rounds).ok_or(Error::TooManyIterations {
            limit: MAX_ITERATIONS_OF_FILE,
        })?;
        Ok(())
    }
}

/// Opens a private key under a password (RFC 5208, section 6), for which an [`Allowance`] has been spent.
pub(crate) fn private_key(der: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let opened = encrypted_key(der)?.open(password)?;
    // The wrong password passes for the right one in one of 256 cases, and what is found is noise.
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

/// Hands a file that the guard has let through to the library that reads it. Nothing else here knows that library.
fn read(file: &[u8], password: &str) -> Result<Bundle, Error> {
    let archive = Pkcs12Archive::from_pkcs12(file, password).map_err(|error| match error {
        P12Error::MacError(_) | P12Error::Pkcs5Error(_) | P12Error::UnpadError => Error::WrongPassword,
        P12Error::UnsupportedEncryptionScheme | P12Error::UnsupportedMacAlgorithm => {
            Error::unsupported("its way of encryption or its MAC", ADVICE)
        }
        P12Error::UnsupportedCertificateType => Error::unsupported("a certificate that is not X.509", ADVICE),
        _ => Error::Damaged(PFX),
    })?;
    Ok(Bundle {
        certificates: archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(),
        keys: archive
            .keys
            .iter()
            .map(|bag| Zeroizing::new(bag.key.as_der().to_vec()))
            .collect(),
    })
}

/// Where no password was given, that is what is wrong.
fn of_password(error: Error, password: &str) -> Error {
    match error {
        Error::WrongPassword if password.is_empty() => Error::EmptyPassword,
        other => other,
    }
}

/// Walks through a file before anything is derived from a password, and adds up what that will cost. The file names the cost
/// itself: 2^31 rounds, or a gigabyte for scrypt, are a few bytes to write. Whatever else is not read here gets its name here too.
struct Guard<'p> {
    password: &'p str,
    allowance: Allowance,
}

/// A file without what follows it.
struct Checked<'a> {
    file: &'a [u8],
    has_mac: bool,
}

impl Guard<'_> {
    fn file<'a>(&mut self, bytes: &'a [u8]) -> Result<Checked<'a>, Error> {
        if bytes.first() != Some(&SEQUENCE) {
            return Err(Error::NotACredential);
        }
        let file = Der::new(bytes).element(SEQUENCE).map_err(damaged)?;
        let mut parts = Der::new(file.value);
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
        if let Some(mac) = mac {
            self.mac(Der::new(mac.value))?;
        }
        self.safes(safes)?;
        Ok(Checked {
            file: file.whole,
            has_mac: mac.is_some(),
        })
    }

    /// MacData.
    fn mac(&mut self, mut mac: Der<'_>) -> Result<(), Error> {
        let mut digest = mac.inside(SEQUENCE).map_err(damaged)?;
        let mut algorithm = digest.inside(SEQUENCE).map_err(damaged)?;
        if algorithm.value(OID).map_err(damaged)? == PBMAC1 {
            return Err(Error::unsupported(
                "a PFX file with PBMAC1 (RFC 9579)",
                "export it again without `-pbmac1_pbkdf2`, or as PEM: `openssl pkcs12 -in old.pfx -out all.pem`",
            ));
        }
        mac.value(OCTET_STRING).map_err(damaged)?;
        // Left out, it is 1.
        let rounds = if mac.is_empty() {
            1
        } else {
            mac.count().map_err(damaged)?
        };
        mac.end().map_err(damaged)?;
        if self.password.chars().any(|character| character > '\u{ffff}') {
            return Err(Error::unsupported(
                "a password with a character beyond U+FFFF (an emoji, say) for a PFX file",
                "export it again under another password",
            ));
        }
        self.allowance.spend(rounds)
    }

    /// What the file protects: an AuthenticatedSafe in a ContentInfo.
    fn safes(&mut self, info: Der<'_>) -> Result<(), Error> {
        let content = content(info, DATA, "a PFX file protected by a signature")?;
        let mut safes = octets(content).and_then(|mut der| {
            let safes = der.inside(SEQUENCE)?;
            der.end()?;
            Ok(safes)
        });
        let safes = safes.as_mut().map_err(|error| damaged(*error))?;
        while !safes.is_empty() {
            self.safe(safes.inside(SEQUENCE).map_err(damaged)?)?;
        }
        Ok(())
    }

    /// A ContentInfo with bags in it, in the clear or encrypted.
    fn safe(&mut self, info: Der<'_>) -> Result<(), Error> {
        let mut kind = info;
        if kind.value(OID).map_err(damaged)? == DATA {
            let content = content(info, DATA, "")?;
            return self.bags(octets(content).map_err(damaged)?);
        }
        let content = content(info, ENCRYPTED_DATA, "a PFX file encrypted for a certificate")?;
        let Some(envelope) = encrypted_data(content).map_err(damaged)? else {
            return Ok(());
        };
        self.allowance.spend(envelope.rounds()?)?;
        // There may be more envelopes in it, with a price of their own, so it is opened once for the guard.
        let bags = envelope.open(self.password)?;
        self.bags(Der::new(&bags)).map_err(|error| match error {
            // Noise, as above.
            Error::Damaged(_) => Error::WrongPassword,
            other => other,
        })
    }

    /// SafeContents.
    fn bags(&mut self, mut contents: Der<'_>) -> Result<(), Error> {
        let mut bags = contents.inside(SEQUENCE).map_err(damaged)?;
        contents.end().map_err(damaged)?;
        while !bags.is_empty() {
            let mut bag = bags.inside(SEQUENCE).map_err(damaged)?;
            let kind = bag.value(OID).map_err(damaged)?;
            let value = bag.inside(CONTEXT_0).map_err(damaged)?;
            bag.optional(SET).map_err(damaged)?;
            bag.end().map_err(damaged)?;
            match kind {
                SHROUDED_KEY => self.allowance.spend(shrouded_key(value).map_err(damaged)?.rounds()?)?,
                SECRET => {
                    return Err(Error::unsupported(
                        "a PFX file with a secret beside keys and certificates",
                        ADVICE,
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a ContentInfo of this kind holds.
fn content<'a>(mut info: Der<'a>, kind: &[u8], otherwise: &'static str) -> Result<Der<'a>, Error> {
    if info.value(OID).map_err(damaged)? != kind {
        return Err(Error::unsupported(otherwise, ADVICE));
    }
    let content = info.inside(CONTEXT_0).map_err(damaged)?;
    info.end().map_err(damaged)?;
    Ok(content)
}

/// What stands in the one OCTET STRING.
fn octets(mut der: Der<'_>) -> Result<Der<'_>, DerError> {
    let octets = der.inside(OCTET_STRING)?;
    der.end()?;
    Ok(octets)
}

/// The envelope of an EncryptedData (RFC 5652, section 8), unless it is empty.
fn encrypted_data(mut der: Der<'_>) -> Result<Option<Envelope<'_>>, DerError> {
    let mut data = der.inside(SEQUENCE)?;
    der.end()?;
    data.element(INTEGER)?; // the version
    let mut info = data.inside(SEQUENCE)?;
    info.element(OID)?; // what is in it
    let algorithm = info.inside(SEQUENCE)?;
    let sealed = info.optional(CONTEXT_0_STRING)?;
    // In pieces, as BER has it.
    if info.peek() == Some(CONTEXT_0) {
        return Err(DerError::Ber);
    }
    info.end()?;
    sealed.map(|sealed| Envelope::new(algorithm, sealed.value)).transpose()
}

/// The envelope of a PKCS8ShroudedKeyBag.
fn shrouded_key(mut value: Der<'_>) -> Result<Envelope<'_>, DerError> {
    let info = value.inside(SEQUENCE)?;
    value.end()?;
    Envelope::of_key(info)
}

fn damaged(error: DerError) -> Error {
    Error::der(PFX)(error)
}

const PFX: &str = "the PFX file";
const ADVICE: &str = "export it again, with AES-256 and nothing but the key and its certificates, or as PEM: `openssl pkcs12 -in old.pfx -out all.pem`";

/// The one version there is.
const VERSION: u8 = 3;
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06];
const PBMAC1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0e];
const SHROUDED_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02];
const SECRET: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x05];
