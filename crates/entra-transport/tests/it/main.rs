//! The tests of entra-transport's public behavior, with a module for each subject.

mod async_credentials;
mod codes_once;
mod device_code;
mod interface;
mod local_route;
mod no_proxy;
