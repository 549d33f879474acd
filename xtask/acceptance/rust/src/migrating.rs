//! The code before a migration, as the page `migrating` of the crate `entra` shows it.
//!
//! It has to compile, and never runs.

#![allow(dead_code)]

mod azure_secret {
    include!("../migrating/azure_secret.rs");
}

mod azure_certificate {
    include!("../migrating/azure_certificate.rs");
}

mod azure_managed_identity {
    include!("../migrating/azure_managed_identity.rs");
}

mod oauth2_secret {
    include!("../migrating/oauth2_secret.rs");
}
