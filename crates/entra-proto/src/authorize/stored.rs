//! Reads back a sign-in or consent that was stored as text while a browser was away.

use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::authorize::redirect::Redirect;
use crate::client_id::ClientId;
use crate::error::{Error, Input, InputError};

/// The stored text of a pending sign-in or consent. Its errors do not repeat the text.
pub(crate) struct StoredForm {
    form: Redirect,
    what: Input,
}

impl StoredForm {
    pub(crate) fn read(text: &str, what: Input) -> Result<Self, Error> {
        match Redirect::from_query(text) {
            Ok(form) => Ok(Self { form, what }),
            Err(_) => Err(invalid(what)),
        }
    }

    pub(crate) fn invalid(&self) -> Error {
        invalid(self.what)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.form.value(name)
    }

    pub(crate) fn field(&self, name: &str) -> Result<&str, Error> {
        self.value(name).ok_or_else(|| self.invalid())
    }

    /// Returns a secret of 32 bytes, in the form of
    /// [`random_text`](crate::secret_text::random_text).
    pub(crate) fn secret(&self, name: &str) -> Result<Zeroizing<String>, Error> {
        let text = self.field(name)?;
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() != 43 || !text.bytes().all(base64url) {
            return Err(self.invalid());
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    pub(crate) fn authority(&self) -> Result<String, Error> {
        let text = self.field(AUTHORITY)?;
        let read = Authority::from_setting(text);
        Ok(read.map_err(|_| self.invalid())?.to_string())
    }

    pub(crate) fn client_id(&self) -> Result<ClientId, Error> {
        self.field(CLIENT_ID)?.parse().map_err(|_| self.invalid())
    }
}

pub(crate) const AUTHORITY: &str = "authority";
pub(crate) const CLIENT_ID: &str = "client_id";
pub(crate) const STATE: &str = "state";

fn invalid(what: Input) -> Error {
    InputError::new(what, "is not the text that expose returned").into()
}
