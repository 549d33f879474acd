//! The real machine, in which entra-proto looks for a managed identity.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::{env, fs};

use entra_proto::managed_identity::Host;
use zeroize::Zeroizing;

/// The machine that the program runs on: its environment variables, and the files of its Azure Arc
/// agent.
///
/// ```
/// use entra_proto::managed_identity::Host;
/// use entra_transport::LocalHost;
///
/// assert_eq!(LocalHost.variable("IDENTITY_ENDPOINT"), None);
/// assert!(LocalHost.read_key_file("/no/such/file.key".as_ref()).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalHost;

impl Host for LocalHost {
    fn variable(&self, name: &str) -> Option<OsString> {
        env::var_os(name)
    }

    fn file_exists(&self, path: &Path) -> bool {
        path.is_file()
    }

    /// Reads the file without following a link.
    ///
    /// The path is checked before it is opened, since opening a device or a pipe may have an effect
    /// or not return. The open file is checked again, because another file may have taken its place
    /// in between.
    fn read_key_file(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        let before = fs::symlink_metadata(path)?;
        check(&before)?;
        read(open(path)?, &before)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    without_effects(&mut options);
    options.open(path)
}

/// Reads an open file if it is the one that was found before.
fn read(mut file: File, before: &Metadata) -> io::Result<Zeroizing<Vec<u8>>> {
    let opened = file.metadata()?;
    check(&opened)?;
    if !is_same(before, &opened) {
        return Err(rejected("another file took its place while it was opened"));
    }
    // One more byte shows that the file is too long, even if it grows now.
    let mut content = Zeroizing::new(vec![0; LONGEST + 1]);
    let mut length = 0;
    while length < content.len() {
        match file.read(&mut content[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if length > LONGEST {
        return Err(too_long());
    }
    content.truncate(length);
    Ok(content)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if !metadata.is_file() {
        return Err(rejected("it is not a regular file"));
    }
    if metadata.len() > LONGEST as u64 {
        return Err(too_long());
    }
    Ok(())
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The standard library offers no identity of a file here. Its creation time comes close.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

/// Makes opening harmless if a link or a pipe has taken the place of the file.
fn without_effects(options: &mut OpenOptions) {
    // The value is that of these architectures, which are those of the agent. With `O_NONBLOCK`,
    // opening a pipe does not wait for its other end.
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        use std::os::unix::fs::OpenOptionsExt;

        const O_NONBLOCK: i32 = 0o4000;
        options.custom_flags(O_NONBLOCK);
    }
    // The link itself is opened, and the second check rejects it.
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;

        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
    #[cfg(not(any(
        windows,
        all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))
    )))]
    let _ = options;
}

fn too_long() -> io::Error {
    rejected("it is longer than 4096 bytes")
}

fn rejected(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// The longest key file, in bytes.
const LONGEST: usize = 4096;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// A folder of one test, deleted at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("entra-key-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path
        }

        fn pipe(&self, name: &str) -> PathBuf {
            let path = self.0.join(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn problem(outcome: io::Result<Zeroizing<Vec<u8>>>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn key_file_has_at_most_4096_bytes() {
        let folder = Folder::new("length");
        for length in [0, 1, 4095, 4096] {
            let content = vec![b'k'; length];
            let path = folder.file("whole.key", &content);
            assert_eq!(*LocalHost.read_key_file(&path).unwrap(), content, "{length}");
        }
        for length in [4097, 10_000] {
            let path = folder.file("long.key", &vec![b'k'; length]);
            assert!(problem(LocalHost.read_key_file(&path)).contains("4096"), "{length}");
        }
    }

    #[test]
    fn only_regular_files_are_read() {
        let folder = Folder::new("kind");
        let target = folder.file("target.key", b"canary");
        let link = folder.0.join("link.key");
        symlink(&target, &link).unwrap();
        for path in [link, folder.0.clone(), folder.pipe("pipe.key"), "/dev/zero".into()] {
            let problem = problem(LocalHost.read_key_file(&path));
            assert!(problem.contains("regular file"), "{}: {problem}", path.display());
        }
        let missing = LocalHost.read_key_file(&folder.0.join("missing.key")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn file_that_takes_the_place_is_not_read() {
        let folder = Folder::new("race");
        let path = folder.file("right.key", b"right");
        let before = fs::symlink_metadata(&path).unwrap();
        assert_eq!(**read(open(&path).unwrap(), &before).unwrap(), *b"right");

        // A file of the same kind and length, a link to it, a longer file, a pipe.
        let other = folder.file("other.key", b"other");
        assert!(problem(read(open(&other).unwrap(), &before)).contains("took its place"));
        fs::remove_file(&path).unwrap();
        symlink(&other, &path).unwrap();
        assert!(problem(read(open(&path).unwrap(), &before)).contains("took its place"));
        let long = folder.file("long.key", &[b'l'; 5000]);
        assert!(problem(read(open(&long).unwrap(), &before)).contains("4096"));
        if cfg!(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )) {
            let pipe = folder.pipe("pipe.key");
            assert!(problem(read(open(&pipe).unwrap(), &before)).contains("regular file"));
        }
    }

    #[test]
    fn file_that_grows_is_not_read() {
        let folder = Folder::new("growth");
        let path = folder.file("right.key", b"right");
        let (file, before) = (open(&path).unwrap(), fs::symlink_metadata(&path).unwrap());
        let mut growing = OpenOptions::new().append(true).open(&path).unwrap();
        io::Write::write_all(&mut growing, &[b'l'; 5000]).unwrap();
        assert!(problem(read(file, &before)).contains("4096"));
    }

    #[test]
    fn only_a_file_exists() {
        let folder = Folder::new("exists");
        assert!(LocalHost.file_exists(&folder.file("himds", b"")));
        assert!(!LocalHost.file_exists(&folder.0));
        assert!(!LocalHost.file_exists(&folder.0.join("missing")));
    }
}
