//! Parts that the tests of several examples share.

pub(crate) mod chromium;
