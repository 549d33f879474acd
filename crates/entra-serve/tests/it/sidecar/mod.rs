//! The routes of the authentication sidecar, with the emulator as the token service and a stub as
//! the API that is called.

mod calls;
mod headers;
mod hostile;
mod stage;
