//! Advice that fits the credential with which a request was sent.

use super::Aadsts;
use crate::error::ErrorClass;
use crate::secret_doubt::SecretDoubt;

/// The kind of credential that a request was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// None.
    Public,
    /// A client secret.
    Secret,
    /// A client secret that looks wrong.
    Doubtful(SecretDoubt),
    /// A certificate, whose assertions are signed here.
    Certificate,
    /// An assertion that was signed elsewhere: with a certificate or by another issuer.
    Assertion,
    /// Assertions of another issuer.
    Federated,
}

use CredentialKind::{Assertion, Certificate, Doubtful, Federated, Public, Secret};

impl CredentialKind {
    /// The advice where the service does not accept the credential and nothing more is known.
    pub(crate) const fn check(self) -> &'static str {
        match self {
            Public => PUBLIC,
            Secret => "check that the client secret's value, not its id, is sent, and that it has not expired",
            Doubtful(doubt) => doubt.hint(),
            Certificate => "check that the certificate is registered for the application, and that it has not expired",
            Assertion => {
                "check issuer, subject, audience and lifetime of the assertion, and that its certificate or federated credential is registered"
            }
            Federated => {
                "compare issuer, subject and audience of the assertion with the application's federated credential, capitals and slashes included"
            }
        }
    }
}

impl Aadsts {
    /// What to do where the request was sent with a credential of this kind.
    pub(crate) fn hint_for(&self, sent: Option<CredentialKind>) -> &'static str {
        let Some(kind) = sent.filter(|_| self.class == ErrorClass::Credential) else {
            return self.hint;
        };
        match (self.code, kind) {
            (NO_CREDENTIAL | NO_CREDENTIAL_FOR_DAEMON | NO_CREDENTIAL_FOR_GRANT, Public) => PUBLIC,
            (NO_CREDENTIAL | NO_CREDENTIAL_FOR_DAEMON | NO_CREDENTIAL_FOR_GRANT, Secret | Doubtful(_)) => {
                "the secret did not reach the service: look for a proxy that changes the request"
            }
            (NO_CREDENTIAL | NO_CREDENTIAL_FOR_DAEMON | NO_CREDENTIAL_FOR_GRANT, _) => {
                "the assertion did not reach the service: send the request with its signed assertion, and look for a proxy that changes the request"
            }
            (PUBLIC_WITH_CREDENTIAL, Public) => self.hint,
            (PUBLIC_WITH_CREDENTIAL, _) => {
                "use the application as a public client without a credential, or register it as confidential"
            }
            (WRONG_SECRET, Doubtful(doubt)) => doubt.hint(),
            // Such a request has one JWT: the user's token, which is exchanged.
            (code, Public | Secret | Doubtful(_)) if is_of_jwt(code) => {
                "check the user's token that is exchanged: send it whole, as Entra issued it for this application's own API"
            }
            (OUT_OF_TIME, Certificate) => "set this machine's clock: the assertion was signed by it",
            (OUT_OF_TIME, Federated) => {
                "get a fresh assertion from its issuer; check that the platform renews it, and this machine's clock"
            }
            (UNKNOWN_KEY, Federated) => {
                "check that the issuer publishes the key which signed the assertion, and that the assertion is complete"
            }
            (70_002, kind) => kind.check(),
            (_, kind) => match self.speaks_of {
                Some(of) if !is_about(of, kind) => kind.check(),
                _ => self.hint,
            },
        }
    }
}

/// Whether advice about credentials of one kind fits one of the other.
const fn is_about(of: CredentialKind, kind: CredentialKind) -> bool {
    match of {
        Secret | Doubtful(_) => matches!(kind, Secret | Doubtful(_)),
        Certificate => matches!(kind, Certificate | Assertion),
        // A certificate's assertion whose issuer is not the application is taken for a federated one.
        _ => matches!(kind, Federated | Assertion | Certificate),
    }
}

/// Whether a code is about the form of a JWT, whichever of the request's it is: 50027 and its kin.
const fn is_of_jwt(code: u32) -> bool {
    matches!(code, 50_027 | 500_270..=500_279 | 5_002_700..=5_002_799)
}

const PUBLIC: &str = "turn on \"Allow public client flows\" under Authentication in the app registration, or give the application a certificate or a client secret";

const NO_CREDENTIAL: u32 = 7_000_218;
const NO_CREDENTIAL_FOR_DAEMON: u32 = 7_000_216;
const NO_CREDENTIAL_FOR_GRANT: u32 = 7_000_219;
const PUBLIC_WITH_CREDENTIAL: u32 = 700_025;
const WRONG_SECRET: u32 = 7_000_215;
const OUT_OF_TIME: u32 = 700_024;
const UNKNOWN_KEY: u32 = 700_027;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_secret_is_told_to_check_a_secret() {
        for row in Aadsts::all() {
            for kind in [Certificate, Federated, Assertion] {
                let hint = row.hint_for(Some(kind));
                assert!(!hint.contains("secret"), "{} {kind:?}: {hint}", row.code);
            }
            for kind in [Secret, Doubtful(SecretDoubt::Id), Federated] {
                let hint = row.hint_for(Some(kind));
                assert!(
                    !hint.contains("register the certificate"),
                    "{} {kind:?}: {hint}",
                    row.code
                );
            }
        }
    }

    #[test]
    fn errors_of_federation_speak_of_the_federated_credential() {
        for row in Aadsts::all() {
            let is_of_federation = [70_021, 70_022, 70_023, 70_024]
                .iter()
                .any(|family| row.code.to_string().starts_with(&family.to_string()));
            if is_of_federation || row.code == 70_025 {
                let hint = row.hint_for(Some(Federated));
                assert!(hint.contains("federated credential"), "{} {hint}", row.code);
                assert_eq!((row.hint, row.speaks_of), (hint, Some(Federated)));
            }
        }
    }

    #[test]
    fn a_public_client_is_told_of_public_client_flows() {
        for code in [7_000_216, 7_000_218, 7_000_219] {
            let row = Aadsts::find(code).unwrap();
            for hint in [row.hint, row.hint_for(None), row.hint_for(Some(Public))] {
                assert!(hint.contains("Allow public client flows"), "{hint}");
            }
            assert!(!row.hint_for(Some(Secret)).contains("public client"));
        }
    }

    #[test]
    fn the_advice_fits_the_credential() {
        let hint = |code, kind| Aadsts::find(code).unwrap().hint_for(Some(kind));
        assert!(hint(7_000_215, Doubtful(SecretDoubt::Id)).contains("GUID"));
        assert!(hint(7_000_215, Secret).contains("value"));
        assert!(hint(700_027, Certificate).contains("register the certificate"));
        assert!(hint(700_027, Federated).contains("publishes the key"));
        assert!(hint(700_024, Federated).contains("from its issuer"));
        assert!(hint(700_211, Federated).contains("issuer"));
        for code in [70_021, 700_211, 700_212, 700_213, 7_002_131] {
            assert!(hint(code, Federated).contains("some minutes"), "{code}");
        }
        assert!(hint(50_012, Federated).contains("federated credential"));
        assert!(hint(70_002, Certificate).contains("certificate"));
        for code in [50_027, 500_273, 5_002_727] {
            for kind in [Public, Secret, Doubtful(SecretDoubt::Id)] {
                assert!(hint(code, kind).contains("user's token"), "{code} {kind:?}");
            }
            assert!(!hint(code, Certificate).contains("user's token"), "{code}");
        }
        // What is not about the credential stays.
        assert_eq!(hint(700_016, Federated), Aadsts::find(700_016).unwrap().hint);
    }
}
