pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod emulator;
pub(crate) mod explain;
pub(crate) mod scope;
pub(crate) mod token;
