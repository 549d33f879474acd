//! The tests of entra-transport's public behavior, with a module for each subject.

mod async_credentials;
mod codes_once;
mod device_code;
mod interface;
mod no_proxy;
