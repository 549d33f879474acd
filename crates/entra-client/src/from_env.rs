//! The hook through which the crate `entra` gives both clients `from_env`.

use crate::{Client, blocking};

/// A client that can be created from the environment of the process.
///
/// This crate knows neither a concrete transport nor certificate files. The crate `entra` knows
/// both and implements this trait, with its own type for `Facade`. Programs call
/// [`Client::from_env`].
#[diagnostic::on_unimplemented(
    message = "no transport is available to create `{Self}`",
    note = "depend on the crate `entra` with its feature `reqwest` or `hyper`, or `ureq` for the blocking client"
)]
pub trait FromEnv<Facade>: Sized {
    /// The error type of [`from_env`](Self::from_env).
    type Error;

    /// Creates the client.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or invalid.
    fn from_env() -> Result<Self, Self::Error>;
}

impl Client {
    /// Creates a client from the environment variables that the Azure SDKs share. This requires the
    /// crate `entra`, whose documentation lists the variables.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or invalid.
    pub fn from_env<Facade>() -> Result<Self, <Self as FromEnv<Facade>>::Error>
    where
        Self: FromEnv<Facade>,
    {
        <Self as FromEnv<Facade>>::from_env()
    }
}

impl blocking::Client {
    /// Creates a client from the environment: see [`Client::from_env`](crate::Client::from_env).
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
