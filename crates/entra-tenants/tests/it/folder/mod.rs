//! A private folder for one test, removed with it.

/// A folder that only this user may change, whatever the umask. Everything above it is safe, too: a
/// checkout need not be.
pub(crate) fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().unwrap()
}
