//! One requirement of the suite.

use std::fmt;

use crate::bench::{Bench, Outcome};

/// One requirement: its name, and the function that checks it.
#[derive(Clone, Copy)]
pub struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Bench) -> Outcome,
}

impl Case {
    /// Returns the name, which describes the required behavior.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
