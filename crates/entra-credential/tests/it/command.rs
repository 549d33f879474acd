//! Commands that print an assertion. The programs of these tests are those of a Unix system.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use entra_credential::{AssertionCommand, Error, Program};
use entra_proto::ClientCredential;
use entra_proto::assertion::FederatedCredential;

/// A shell as the program of a test, with this script.
fn script(text: &str) -> Program {
    Program::new("sh").with_arguments(["-c", text])
}

fn assertion(text: &str) -> Result<String, Error> {
    let assertion = AssertionCommand::new(script(text)).assertion()?;
    Ok(assertion.expose().to_owned())
}

fn in_full(error: &Error) -> String {
    format!("{error} {error:?} {error:#?} {:?}", error.hint())
}

#[test]
fn output_is_trimmed() {
    for text in [
        "printf aaaa.bbbb.cccc",
        "echo; echo '  aaaa.bbbb.cccc  '",
        "echo '\"Bearer aaaa.bbbb.cccc\"'",
    ] {
        assert_eq!(assertion(text).unwrap(), "aaaa.bbbb.cccc", "{text}");
    }
}

#[test]
fn arguments_reach_the_program_unchanged() {
    let arguments = ["%s|%s|%s", "$(id)", "; id #", "a b\"c'"];
    let output = Program::new("printf").with_arguments(arguments).run().unwrap();
    assert_eq!(output.stdout(), b"$(id)|; id #|a b\"c'");
    let output = script("printf %s \"$OWN\"").with_variable("OWN", "a b").run().unwrap();
    assert_eq!((output.stdout(), output.code()), (&b"a b"[..], Some(0)));
}

#[test]
fn program_gets_no_input() {
    assert_eq!(assertion("cat; echo aaaa.bbbb.cccc").unwrap(), "aaaa.bbbb.cccc");
}

#[test]
fn command_without_an_assertion_is_an_error() {
    for (text, problem) in [
        ("true", "the output of the program sh is empty"),
        ("echo canary", "does not hold a JWT"),
        ("echo '{\"accessToken\":\"canary\"}'", "holds JSON"),
        ("echo -----BEGIN canary", "holds a key"),
        ("printf '\\377\\377'", "sh is not a text"),
        ("echo canary >&2; exit 3", "ended with the exit code 3: canary"),
        ("exit 3", "the program sh ended with the exit code 3"),
        ("kill -9 $$", "the program sh was ended by a signal"),
    ] {
        let error = assertion(text).unwrap_err();
        assert!(
            error.to_string().contains(problem) && error.hint().is_some(),
            "{text}: {error}"
        );
        assert!(
            problem.contains("canary") || !in_full(&error).contains("canary"),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn missing_program_is_recognized() {
    for name in ["entra-no-such-program", "/entra/no/such/program"] {
        let error = Program::new(name).run().unwrap_err();
        assert!(matches!(error, Error::ProgramMissing { .. }), "{error:?}");
    }
    let folder = Folder::new("denied");
    let error = Program::new(folder.write("program", "")).run().unwrap_err();
    assert!(error.to_string().contains("permission denied"), "{error}");
}

#[test]
fn standard_error_is_shown_unless_it_may_be_a_secret() {
    let shown = |text: &str| in_full(&assertion(text).unwrap_err());
    let plain = shown("echo 'ERROR: Please run az login.' >&2; echo >&2; printf 'line 2\\033[31m' >&2; exit 1");
    assert!(
        plain.contains("exit code 1: ERROR: Please run az login.; line 2\\u{1b}[31m"),
        "{plain}"
    );
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2lnbmF0dXJl";
    for text in [
        format!("echo 'token {jwt}' >&2; exit 1"),
        "echo client_secret=canary >&2; exit 1".to_owned(),
        // The program repeats its own output.
        "echo canary; echo it is canary >&2; exit 1".to_owned(),
        format!("yes canary 2>/dev/null | head -c 5000 >&2; echo {jwt} >&2; echo canary; exit 1"),
    ] {
        let error = shown(&text);
        assert!(
            error.contains("ended with the exit code 1") && !error.contains("eyJ"),
            "{error}"
        );
        assert!(!error.contains("canary"), "{text}: {error}");
    }
    let long = shown("yes again and again | head -c 100000 >&2; exit 1");
    assert!(
        long.contains("again; again and") && long.contains('…') && long.len() < 2000,
        "{}",
        long.len()
    );
}

#[test]
fn long_output_ends_the_program() {
    let error = assertion("yes").unwrap_err();
    assert!(error.to_string().contains("prints more than 64 KiB"), "{error}");
    let error = assertion("yes | head -c 65537").unwrap_err();
    assert!(error.to_string().contains("64 KiB"), "{error}");
    let most = script("yes | head -c 65536").run().unwrap();
    assert_eq!(most.stdout().len(), 65_536);
    // A program that prints much to its standard error is not blocked by it.
    let chatty = "yes | head -c 1000000 >&2; echo aaaa.bbbb.cccc";
    assert_eq!(assertion(chatty).unwrap(), "aaaa.bbbb.cccc");
}

#[test]
fn program_is_ended_after_its_time_limit() {
    let folder = Folder::new("limit");
    let program = sleeper(&folder).with_time_limit(Duration::from_millis(300));
    let error = program.run().unwrap_err();
    assert!(
        error.to_string().contains("did not end within 300ms and was ended"),
        "{error}"
    );
    assert!(!folder.is_running());
}

#[test]
fn program_left_behind_does_not_delay_the_output() {
    // The one that is left behind keeps the output open for a minute.
    let folder = Folder::new("behind");
    let pid = folder.0.join("pid");
    let text = format!("sleep 60 & echo $! > '{}'; echo aaaa.bbbb.cccc", pid.display());
    assert_eq!(assertion(&text).unwrap(), "aaaa.bbbb.cccc");
    assert!(folder.is_running(), "nothing was left behind");
    let left = fs::read_to_string(pid).unwrap();
    Program::new("kill")
        .with_arguments([left.trim()])
        .run()
        .unwrap()
        .succeeded()
        .unwrap();
}

#[test]
fn async_caller_gets_the_same_outcome() {
    let command = |text: &str| AssertionCommand::new(script(text));
    let assertion = block_on(command("echo aaaa.bbbb.cccc").assertion_async()).unwrap();
    assert_eq!(assertion.expose(), "aaaa.bbbb.cccc");
    let error = block_on(command("exit 3").assertion_async()).unwrap_err();
    assert!(error.to_string().contains("exit code 3"), "{error}");
    let error = block_on(Program::new("entra-no-such-program").run_async()).unwrap_err();
    assert!(matches!(error, Error::ProgramMissing { .. }), "{error:?}");
}

#[test]
fn dropped_future_ends_the_program() {
    let folder = Folder::new("dropped");
    let program = sleeper(&folder).with_time_limit(Duration::from_secs(3600));
    // Nothing runs before the first poll.
    drop(program.run_async());
    assert!(folder.pid().is_none());
    {
        let mut future = pin!(program.run_async());
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        until(|| folder.pid().is_some());
        assert!(folder.is_running());
    }
    until(|| !folder.is_running());
}

#[test]
fn credential_serves_both_kinds_of_client() {
    let credential: ClientCredential = AssertionCommand::new(script("echo aaaa.bbbb.cccc")).into();
    assert!(!credential.is_async());
    let ClientCredential::Federated(federated) = &credential else {
        panic!("{credential:?}")
    };
    assert_eq!(federated.assertion().unwrap().expose(), "aaaa.bbbb.cccc");
    assert_eq!(
        block_on(federated.assertion_async()).unwrap().expose(),
        "aaaa.bbbb.cccc"
    );
    // The async one does not wait for the program.
    let slow: ClientCredential = AssertionCommand::new(script("exec sleep 600")).into();
    let ClientCredential::Federated(slow) = &slow else {
        panic!("{slow:?}")
    };
    let pending = slow
        .assertion_async()
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(pending.is_pending());
}

#[test]
fn error_of_a_source_has_its_hint() {
    let source = FederatedCredential::new(AssertionCommand::new(script("echo canary >&2; exit 4")));
    let error = source.assertion().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("there is no client assertion: the program sh ended with the exit code 4"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("terminal"));
    let async_error =
        block_on(FederatedCredential::new_async(AssertionCommand::new(script("exit 4"))).assertion_async());
    assert!(async_error.unwrap_err().to_string().contains("exit code 4"));
}

#[test]
fn arguments_and_output_are_never_shown() {
    let program = Program::new("/opt/canary/bin/printf")
        .with_arguments(["--password", "canary"])
        .with_variable("CANARY", "canary");
    let command = AssertionCommand::new(program.clone());
    let output = script("echo canary; echo canary >&2").run().unwrap();
    let missing = program.run().unwrap_err();
    let secret = Program::new("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2ln");
    let shown = format!(
        "{program:?} {command:?} {output:?} {missing} {missing:?} {secret:?} {}",
        secret.run().unwrap_err()
    );
    assert!(!shown.contains("canary") && !shown.contains("eyJ"), "{shown}");
    assert!(shown.contains("Program(printf, 2 arguments)"), "{shown}");
}

/// A program that writes its process ID to a file in this folder, and sleeps.
fn sleeper(folder: &Folder) -> Program {
    let pid = folder.0.join("pid");
    script(&format!(
        "echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 600",
        pid.display()
    ))
}

/// Waits for another thread or process, which needs some milliseconds.
fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing happened");
        thread::yield_now();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("entra-command-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn pid(&self) -> Option<String> {
        Some(fs::read_to_string(self.0.join("pid")).ok()?.trim().to_owned())
    }

    /// Whether the process of the file `pid` is running, and not only waits to be reaped.
    fn is_running(&self) -> bool {
        let pid = self.pid().unwrap();
        match Path::new("/proc/self").exists() {
            true => fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")),
            false => Program::new("kill").with_arguments(["-0", &pid]).run().unwrap().code() == Some(0),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
