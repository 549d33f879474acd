//! The certificate authority of `entra emulator --tls` and its file.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::emulator::{folder, ignores_hangup, signal, started};
use crate::common::{self, fails, run};

#[test]
fn ca_file_is_in_a_private_folder_until_the_end() {
    // Under `nohup` the child ignores SIGHUP, which another test covers.
    let signals = [("TERM", 15), ("INT", 2), ("HUP", 1)];
    for (name, number) in signals
        .into_iter()
        .filter(|(name, _)| *name != "HUP" || !ignores_hangup("self"))
    {
        let folder = folder(&format!("ca-{name}"));
        // A file at the predictable former path is not used.
        let variables = [("TMPDIR", folder.to_str().unwrap())];
        let (mut child, printed) = started(&["--tls"], &variables, "export NODE_EXTRA_CA_CERTS=");
        let ca = printed.last().unwrap().split_once('=').unwrap().1;
        let ca = Path::new(ca.trim_matches('\''));
        let own = ca.parent().unwrap();
        assert_eq!(
            own.parent().unwrap().canonicalize().unwrap(),
            folder.canonicalize().unwrap()
        );
        assert_eq!(std::fs::metadata(own).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(
            std::fs::read_to_string(ca)
                .unwrap()
                .starts_with("-----BEGIN CERTIFICATE")
        );
        assert!(!ca.to_str().unwrap().contains(&format!("-{}.", child.id())));
        signal(&child, name);
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}

#[test]
fn named_ca_file_is_replaced_without_following_links() {
    let folder = folder("ca-out");
    let (victim, link, old) = (folder.join("victim"), folder.join("link.pem"), folder.join("old.pem"));
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    std::fs::write(&old, "x".repeat(10_000)).unwrap();
    common::set_mode(&old, 0o666);
    for path in [&link, &old, &folder.join("new.pem")] {
        let words = ["--tls", "--ca-out", path.to_str().unwrap()];
        let (child, printed) = started(&words, &[], "export NODE_EXTRA_CA_CERTS=");
        let named = printed.last().unwrap().split_once('=').unwrap().1;
        assert_eq!(Path::new(named.trim_matches('\'')), path.canonicalize().unwrap());
        assert!(path.symlink_metadata().unwrap().is_file());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o133, 0, "{path:?}");
        let pem = std::fs::read_to_string(path).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE") && pem.ends_with("-----END CERTIFICATE-----\n"));
        drop(child);
        assert!(path.exists(), "it stays");
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    // No temporary file is left.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
    for other in ["/dev/null", folder.to_str().unwrap()] {
        fails(&run(&["emulator", "--tls", "--ca-out", other], &[]), 3, &["--ca-out"]);
    }
}

#[test]
fn tls_lines_name_what_they_replace() {
    let (_child, printed) = started(&["--tls"], &[], "export NODE_EXTRA_CA_CERTS=");
    let at = printed
        .iter()
        .position(|line| line.starts_with("export SSL_CERT_FILE="))
        .unwrap();
    let comment = &printed[at - 2..at];
    assert!(comment.iter().all(|line| line.starts_with("# ")), "{comment:?}");
    assert!(
        comment[0].contains("replace this machine's root certificates"),
        "{comment:?}"
    );
}

#[test]
fn empty_tmpdir_is_ignored_for_the_ca() {
    let (mut child, printed) = started(&["--tls"], &[("TMPDIR", "")], "export NODE_EXTRA_CA_CERTS=");
    let ca = printed.last().unwrap().split_once('=').unwrap().1;
    assert!(ca.starts_with('/') && Path::new(ca).exists(), "{ca}");
    signal(&child, "TERM");
    child.wait().unwrap();
    assert!(!Path::new(ca).exists());
}

#[test]
fn unwritable_ca_file_names_its_option() {
    let nowhere = folder("nowhere").join("none");
    let output = run(&["emulator", "--tls"], &[("TMPDIR", nowhere.to_str().unwrap())]);
    fails(&output, 3, &["--ca-out"]);
    let output = run(
        &[
            "emulator",
            "--tls",
            "--ca-out",
            nowhere.join("ca.pem").to_str().unwrap(),
        ],
        &[],
    );
    fails(&output, 3, &["none/ca.pem", "--ca-out"]);
}
