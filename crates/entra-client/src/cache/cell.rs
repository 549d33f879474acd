//! The cell that holds the token of a slot. Reading it takes no lock.

use crate::token::Token;

#[cfg(not(entra_loom))]
mod implementation {
    use std::sync::Arc;

    use arc_swap::ArcSwapOption;

    use super::Token;
    use crate::token::Inner;

    pub(in crate::cache) struct TokenCell(ArcSwapOption<Inner>);

    impl TokenCell {
        pub(in crate::cache) fn empty() -> Self {
            Self(ArcSwapOption::empty())
        }

        pub(in crate::cache) fn load(&self) -> Option<Token> {
            self.0.load_full().map(Token::from)
        }

        pub(in crate::cache) fn store(&self, token: Option<Token>) {
            self.0.store(token.map(Arc::from));
        }
    }
}

#[cfg(entra_loom)]
mod implementation {
    use super::Token;
    use crate::cache::sync::{Mutex, lock};

    pub(in crate::cache) struct TokenCell(Mutex<Option<Token>>);

    impl TokenCell {
        pub(in crate::cache) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(in crate::cache) fn load(&self) -> Option<Token> {
            lock(&self.0).clone()
        }

        pub(in crate::cache) fn store(&self, token: Option<Token>) {
            *lock(&self.0) = token;
        }
    }
}

pub(super) use implementation::TokenCell;
