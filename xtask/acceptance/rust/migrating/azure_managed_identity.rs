use azure_identity::{
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};

fn credential(
    client_id: String,
) -> azure_core::Result<std::sync::Arc<ManagedIdentityCredential>> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: Some(UserAssignedId::ClientId(client_id)),
        ..Default::default()
    };
    ManagedIdentityCredential::new(Some(options))
}
