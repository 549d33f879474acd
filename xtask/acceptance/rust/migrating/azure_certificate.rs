// Needs the feature `client_certificate` and OpenSSL; the file is a PFX.
use azure_core::credentials::SecretBytes;
use azure_identity::ClientCertificateCredential;

fn credential(
    pfx: Vec<u8>,
) -> azure_core::Result<std::sync::Arc<ClientCertificateCredential>> {
    let tenant = "contoso.com".to_owned();
    let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".to_owned();
    let pfx = SecretBytes::new(pfx);
    ClientCertificateCredential::new(tenant, client_id, pfx, None)
}
