//! The discovery documents, as the official clients and validators that follow key rotation use
//! them.

mod keys;
mod metadata;
mod paths;
mod realms;

use entra_emulator::{Emulator, EmulatorBuilder, Tenant};

pub(super) fn tenant(builder: EmulatorBuilder) -> Emulator {
    builder
        .tenant(Tenant::new("contoso.onmicrosoft.com").id("11111111-2222-3333-4444-555555555555"))
        .build()
}
