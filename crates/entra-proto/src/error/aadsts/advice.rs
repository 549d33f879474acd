//! Hints that fit the kind of credential that a request was sent with.

use super::Aadsts;
use crate::error::ErrorClass;
use crate::error::hints::{ADD_CREDENTIAL_OR_ALLOW_PUBLIC, CHECK_FEDERATION};
use crate::secret_doubt::SecretDoubt;

/// The kind of credential that a request was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// No credential: a public client.
    Public,
    /// A client secret.
    Secret,
    /// A client secret that looks wrong.
    Doubtful(SecretDoubt),
    /// A certificate whose private key signs assertions locally.
    Certificate,
    /// A ready-made assertion: signed with a certificate, or by another issuer.
    Assertion,
    /// Assertions of another issuer, for a federated credential.
    Federated,
    /// Tokens of a blueprint, for an agent identity.
    Agent,
}

use CredentialKind::{Agent, Assertion, Certificate, Doubtful, Federated, Public, Secret};

impl CredentialKind {
    /// Returns the hint if the service rejects the credential and nothing more is known.
    pub(crate) const fn check(self) -> &'static str {
        match self {
            Public => ADD_CREDENTIAL_OR_ALLOW_PUBLIC,
            Secret => "check that the client secret's value, not its ID, is sent, and that it has not expired",
            Doubtful(doubt) => doubt.hint(),
            Certificate => "check that the certificate is registered for the application, and that it has not expired",
            Assertion => {
                "check the issuer, subject, audience and lifetime of the assertion, and that its certificate or federated credential is registered"
            }
            Federated => CHECK_FEDERATION,
            Agent => CHECK_BLUEPRINT,
        }
    }
}

impl Aadsts {
    /// Returns the hint for a request that was sent with this kind of credential.
    pub(crate) fn hint_for(&self, sent: Option<CredentialKind>) -> &'static str {
        let Some(kind) = sent.filter(|_| self.class == ErrorClass::Credential) else {
            return self.hint;
        };
        match (self.code, kind) {
            (NO_CREDENTIAL | NO_CREDENTIAL_FOR_DAEMON | NO_CREDENTIAL_FOR_GRANT, Public) => self.hint,
            (NO_CREDENTIAL | NO_CREDENTIAL_FOR_DAEMON | NO_CREDENTIAL_FOR_GRANT, Secret | Doubtful(_)) => {
                "look for a proxy that changes requests: the secret did not reach the service"
            }
            (NO_CREDENTIAL | NO_CREDENTIAL_FOR_DAEMON | NO_CREDENTIAL_FOR_GRANT, _) => {
                "send the request with its signed assertion, and look for a proxy that changes requests: the assertion did not reach the service"
            }
            (PUBLIC_WITH_CREDENTIAL, Public) => self.hint,
            (PUBLIC_WITH_CREDENTIAL, _) => {
                "send no credential if the application is a public client, or register it as a confidential client"
            }
            (WRONG_SECRET, Doubtful(doubt)) => doubt.hint(),
            // The only JWT of such a request is the user's token to exchange.
            (code, Public | Secret | Doubtful(_)) if is_of_jwt(code) => {
                "check the user's token to exchange: send it complete, as Entra issued it for this application's own API"
            }
            (OUT_OF_TIME, Certificate) => "set this machine's clock, which determines the lifetime of the assertion",
            (OUT_OF_TIME, Agent) => "check this machine's clock: Entra issued the blueprint's token moments ago",
            (OUT_OF_TIME, Federated) => {
                "get a new assertion from its issuer for each token request, because those of CI systems are valid for about five minutes; check that the platform renews it, and check this machine's clock"
            }
            (UNKNOWN_KEY, Federated) => {
                "check that the issuer publishes the key that signed the assertion, and that the assertion is complete"
            }
            (INVALID_CREDENTIAL, kind) => kind.check(),
            (_, kind) => match self.hint_is_for {
                Some(of) if !is_about(of, kind) => kind.check(),
                _ => self.hint,
            },
        }
    }
}

/// Returns whether a hint about one kind of credential fits a credential of the other kind.
const fn is_about(of: CredentialKind, kind: CredentialKind) -> bool {
    match of {
        Secret | Doubtful(_) => matches!(kind, Secret | Doubtful(_)),
        Certificate => matches!(kind, Certificate | Assertion),
        // Entra treats a certificate's assertion as a federated one if its issuer is not the
        // application.
        _ => matches!(kind, Federated | Assertion | Certificate),
    }
}

/// Returns whether a code is about the format of any JWT in the request: 50027 and its family.
const fn is_of_jwt(code: u32) -> bool {
    matches!(code, 50_027 | 500_270..=500_279 | 5_002_700..=5_002_799)
}

/// The hint for an agent identity that the service does not accept.
const CHECK_BLUEPRINT: &str = "check that the agent identity is a child of this blueprint, and that the request is sent to the tenant of the agent";

const INVALID_CREDENTIAL: u32 = 70_002;
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
    fn hint_about_secrets_is_for_secrets_only() {
        for row in Aadsts::all() {
            for kind in [Certificate, Federated, Assertion, Agent] {
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
    fn federation_errors_name_federated_credential() {
        for row in Aadsts::all() {
            let is_of_federation = [70_021, 70_022, 70_023, 70_024]
                .iter()
                .any(|family| row.code.to_string().starts_with(&family.to_string()));
            if is_of_federation || row.code == 70_025 {
                let hint = row.hint_for(Some(Federated));
                assert!(hint.contains("federated credential"), "{} {hint}", row.code);
                assert_eq!((row.hint, row.hint_is_for), (hint, Some(Federated)));
            }
        }
    }

    #[test]
    fn hint_for_public_client_names_public_client_flows() {
        for code in [7_000_216, 7_000_218, 7_000_219] {
            let row = Aadsts::find(code).unwrap();
            for hint in [row.hint, row.hint_for(None), row.hint_for(Some(Public))] {
                assert!(hint.contains("Allow public client flows"), "{hint}");
            }
            assert!(!row.hint_for(Some(Secret)).contains("public client"));
        }
    }

    #[test]
    fn hint_fits_credential() {
        let hint = |code, kind| Aadsts::find(code).unwrap().hint_for(Some(kind));
        assert!(hint(7_000_215, Doubtful(SecretDoubt::Id)).contains("GUID"));
        assert!(hint(7_000_215, Secret).contains("value"));
        assert!(hint(700_027, Certificate).contains("register the certificate"));
        assert!(hint(700_027, Federated).contains("publishes the key"));
        assert!(hint(700_024, Federated).contains("new assertion from its issuer"));
        assert!(hint(700_211, Federated).contains("issuer"));
        for code in [70_021, 700_211, 700_212, 700_213, 7_002_131] {
            assert!(hint(code, Federated).contains("some minutes"), "{code}");
        }
        assert!(hint(700_024, Federated).contains("five minutes"));
        for code in [700_213, 7_002_131] {
            assert!(hint(code, Federated).contains("repo:OWNER@ID/REPOSITORY@ID"), "{code}");
        }
        assert!(hint(70_023, Federated).contains("one day"));
        assert!(hint(7_002_121, Federated).contains("/v2.0"));
        assert!(hint(700_231, Federated).contains("AKS"));
        assert!(hint(50_012, Federated).contains("federated credential"));
        assert!(hint(70_002, Certificate).contains("certificate"));
        for code in [50_027, 500_273, 5_002_727] {
            for kind in [Public, Secret, Doubtful(SecretDoubt::Id)] {
                assert!(hint(code, kind).contains("user's token"), "{code} {kind:?}");
            }
            assert!(!hint(code, Certificate).contains("user's token"), "{code}");
        }
        for code in [70_021, 700_211, 700_213, 700_231, 700_027, 70_002, 7_000_215, 50_012] {
            assert_eq!(hint(code, Agent), CHECK_BLUEPRINT, "{code}");
        }
        assert!(hint(700_024, Agent).contains("clock"));
        // A hint that is not about the credential is the same for all.
        assert_eq!(hint(700_016, Federated), Aadsts::find(700_016).unwrap().hint);
    }
}
