//! The assertion that a platform keeps in a file.

use std::fs;
use std::path::PathBuf;

use entra_credential::{Error, FederatedTokenFile};

type Report = entra_proto::report::ReportFor<entra_credential::Errors>;

#[test]
fn each_call_reads_what_is_there_now() {
    let folder = Folder::new("now");
    let file = FederatedTokenFile::new(folder.write("token", "aaaa.bbbb.cccc"));
    assert_eq!(file.assertion().unwrap().expose(), "aaaa.bbbb.cccc");
    // As long as the one before, and within the same tick of the file system's clock.
    folder.write("token", "dddd.eeee.ffff");
    assert_eq!(file.assertion().unwrap().expose(), "dddd.eeee.ffff");
    folder.write("token", "\n gggg.hhhh.iiii \r\n");
    assert_eq!(file.assertion().unwrap().expose(), "gggg.hhhh.iiii");
}

#[test]
fn text_around_the_token_is_ignored() {
    let folder = Folder::new("around");
    let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let texts = [
        "aaaa.bbbb.cccc",
        "\u{feff}aaaa.bbbb.cccc",
        "Bearer aaaa.bbbb.cccc",
        "\u{feff}bearer aaaa.bbbb.cccc\r\n",
        "Authorization: Bearer aaaa.bbbb.cccc",
        "\"aaaa.bbbb.cccc\"\n",
        "'Bearer aaaa.bbbb.cccc'",
    ];
    for text in texts {
        for bytes in [
            text.as_bytes().to_vec(),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
            utf16(&format!("\u{feff}{text}"), u16::to_be_bytes),
        ] {
            let path = folder.0.join("token");
            fs::write(&path, &bytes).unwrap();
            let assertion = FederatedTokenFile::new(path).assertion();
            assert_eq!(assertion.unwrap().expose(), "aaaa.bbbb.cccc", "{text:?} {bytes:?}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_link_that_is_swapped_is_followed() {
    use std::os::unix::fs::symlink;

    // As Kubernetes does it: token -> ..data/token, ..data -> a folder of its own for each version.
    let folder = Folder::new("link");
    folder.write("1/token", "aaaa.bbbb.1111");
    folder.write("2/token", "aaaa.bbbb.2222");
    symlink("1", folder.0.join("..data")).unwrap();
    symlink("..data/token", folder.0.join("token")).unwrap();
    let file = FederatedTokenFile::new(folder.0.join("token"));
    assert_eq!(file.assertion().unwrap().expose(), "aaaa.bbbb.1111");
    symlink("2", folder.0.join("..data_tmp")).unwrap();
    fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
    assert_eq!(file.assertion().unwrap().expose(), "aaaa.bbbb.2222");
}

#[test]
fn file_without_an_assertion_is_named() {
    let folder = Folder::new("bad");
    for (text, problem) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("aaaa.bbbb", "does not hold a JWT"),
        ("aaaa.bb bb.cccc", "does not hold a JWT"),
        ("{\"access_token\":\"aaaa.bbbb.cccc\"}", "holds JSON"),
        ("-----BEGIN PRIVATE KEY-----\nbbbb\n", "holds a key"),
        ("\u{feff}\r\n", "is empty"),
        (&format!("a.b.{}", "c".repeat(64 * 1024)), "longer than 64 KiB"),
    ] {
        let error = FederatedTokenFile::new(folder.write("token", text))
            .assertion()
            .unwrap_err();
        assert!(matches!(error, Error::Assertion { .. }), "{error:?}");
        let shown = error.to_string();
        assert!(shown.contains("token") && shown.contains(problem), "{shown}");
        assert!(!shown.contains("bbbb"), "{shown}");
    }
    for bytes in [
        &[0xff, 0xfe][..],
        &[0xff, 0xfe, 0x00, 0xd8],
        &[0xff, 0xfe, 0x61],
        &[0xc3, 0x28],
        &[0, 0, 0],
    ] {
        fs::write(folder.0.join("binary"), bytes).unwrap();
        let error = FederatedTokenFile::new(folder.0.join("binary")).assertion();
        assert!(matches!(error, Err(Error::Assertion { .. })), "{bytes:?}");
    }
}

#[test]
fn what_is_no_file_is_told() {
    use std::error::Error as _;

    let folder = Folder::new("none");
    for path in [folder.0.join("missing"), folder.0.clone(), PathBuf::from("/dev/zero")] {
        let error = FederatedTokenFile::new(&path).assertion().unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert!(error.source().is_some());
        assert!(error.to_string().contains(&*path.display().to_string()), "{error}");
    }
}

#[test]
fn token_or_control_character_in_a_path_is_hidden() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl";
    let file = FederatedTokenFile::new(token);
    let error = file.assertion().unwrap_err();
    for shown in [
        format!("{:#}", Report::of(&error)),
        format!("{error:?}"),
        format!("{file:?}"),
    ] {
        assert!(shown.contains("may be a secret") && !shown.contains("eyJ"), "{shown}");
    }
    let error = FederatedTokenFile::new("C:\\to\u{1b}[31m\u{202e}\nken")
        .assertion()
        .unwrap_err();
    assert_eq!(error.to_string(), "C:\\to\\u{1b}[31m\\u{202e}\\nken cannot be read");
    assert_eq!(
        error.hint(),
        Some("check the path, and that the platform writes the token there")
    );
}

/// A folder for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
