//! The hook by which the crate `entra` gives both clients `from_env`.

use crate::{Client, blocking};

/// A client that can be made from the process's environment.
///
/// This crate knows neither a concrete transport nor files of certificates. The crate `entra` knows both
/// and implements this trait, with a type of its own for `Facade`; programs call [`Client::from_env`].
#[diagnostic::on_unimplemented(
    message = "no transport to make `{Self}` with",
    note = "depend on the crate `entra` with its feature `reqwest` or `hyper`, or `ureq` for the blocking client"
)]
pub trait FromEnv<Facade>: Sized {
    /// The reason why there is no client.
    type Error;

    /// Makes the client.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or cannot be used.
    fn from_env() -> Result<Self, Self::Error>;
}

impl Client {
    /// Makes a client from the environment variables that the Azure SDKs share. Needs the crate `entra`, whose documentation
    /// lists them.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or cannot be used.
    pub fn from_env<Facade>() -> Result<Self, <Self as FromEnv<Facade>>::Error>
    where
        Self: FromEnv<Facade>,
    {
        <Self as FromEnv<Facade>>::from_env()
    }
}

impl blocking::Client {
    /// Makes a client from the environment: see [`Client::from_env`](crate::Client::from_env).
    ///
    /// # Errors
    /// As for [`Client::from_env`](crate::Client::from_env).
    pub fn from_env<Facade>() -> Result<Self, <Self as FromEnv<Facade>>::Error>
    where
        Self: FromEnv<Facade>,
    {
        <Self as FromEnv<Facade>>::from_env()
    }
}
