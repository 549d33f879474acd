//! Integration tests of the public API.

mod app_service;
