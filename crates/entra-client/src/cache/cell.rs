//! The cell that holds a slot's token: read without a lock.

use crate::token::Token;

#[cfg(not(entra_loom))]
mod implementation {
    use std::sync::Arc;

    use arc_swap::{ArcSwapOption, Guard};

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

        /// Takes this token out, and leaves every other one.
        pub(in crate::cache) fn take(&self, token: &Token) -> bool {
            let current: &Arc<Inner> = token.as_ref();
            let before: Guard<Option<Arc<Inner>>> = self.0.compare_and_swap(&Some(Arc::clone(current)), None);
            before.as_ref().is_some_and(|before| Arc::ptr_eq(before, current))
        }
    }
}

#[cfg(entra_loom)]
mod implementation {
    use std::sync::Arc;

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

        pub(in crate::cache) fn take(&self, token: &Token) -> bool {
            let mut current = lock(&self.0);
            let found = current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current.as_ref(), token.as_ref()));
            if found {
                *current = None;
            }
            found
        }
    }
}

pub(super) use implementation::TokenCell;
