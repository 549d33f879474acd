//! Prompts for secrets on a terminal, without echo.

use std::io::{self, Write};

use zeroize::Zeroizing;

use crate::files::tell_always;

/// Reads a line of at most `limit` bytes from the terminal that is standard input, such as a
/// password.
pub(crate) fn line(what: &str, limit: usize) -> io::Result<Zeroizing<String>> {
    let typed = terminal::read_line(limit, || {
        let mut err = io::stderr();
        // A closed standard error is not a failure.
        let _ = write!(err, "{what} (not shown; end with Enter): ").and_then(|()| err.flush());
    });
    let _ = writeln!(io::stderr());
    let typed = typed?;
    if typed.len() > limit {
        let problem = format!("the input is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    match std::str::from_utf8(&typed) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the input is not UTF-8")),
    }
}

/// Reads several lines from the terminal that is standard input, such as a token or the lines of a
/// file. Reads at most `limit + 1` bytes, and drops the rest.
pub(crate) fn text(what: &str, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let typed = terminal::read_text(limit, || {
        tell_always(format_args!(
            "reading {what} from the terminal: paste it and end with {END}"
        ));
    })?;
    tell_always(format_args!("read {} bytes", typed.len()));
    Ok(typed)
}

/// The keys that end the input.
#[cfg(unix)]
const END: &str = "Ctrl-D (not shown)";
#[cfg(not(unix))]
const END: &str = "Ctrl-Z and Enter (shown)";

#[cfg(unix)]
mod terminal {
    use std::io::{self, Stdin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::process::{getpid, getsid};
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
    use signal_hook::consts::{SIGCONT, SIGTSTP};
    use signal_hook::{SigId, flag, low_level};
    use zeroize::{Zeroize, Zeroizing};

    use super::typed::{End, Typed};
    use crate::stop::{end_by, ending_signals};

    pub(super) fn read_line(limit: usize, prompt: impl Fn()) -> io::Result<Zeroizing<Vec<u8>>> {
        read(Typed::line(limit), prompt)
    }

    pub(super) fn read_text(limit: usize, prompt: impl Fn()) -> io::Result<Zeroizing<Vec<u8>>> {
        read(Typed::text(limit), prompt)
    }

    /// Turns echo off, prompts, and reads until the end of the input. A signal ends or stops the
    /// process as usual, after the terminal is restored.
    fn read(mut typed: Typed, prompt: impl Fn()) -> io::Result<Zeroizing<Vec<u8>>> {
        let stdin = io::stdin();
        let signals = Signals::catch()?;
        let hidden = Hidden::start(&stdin)?;
        prompt();
        let mut bytes = Zeroizing::new([0; 1024]);
        let end: io::Result<Option<i32>> = loop {
            match signals.take() {
                Some(SIGTSTP) => stop(&hidden)?,
                Some(SIGCONT) => {
                    // The shell echoed what was typed meanwhile, so the input starts again.
                    hidden.hide()?;
                    typed.clear();
                    prompt();
                }
                Some(signal) => break Ok(Some(signal)),
                None => {}
            }
            // A signal may arrive just before poll, so the wait is short.
            let soon = Timespec {
                tv_sec: 0,
                tv_nsec: 200_000_000,
            };
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut ready, Some(&soon)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => break Err(error.into()),
            }
            // Bypasses std's buffer, which would keep the secret.
            let count = match rustix::io::read(&stdin, &mut bytes[..]) {
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(error) => break Err(error.into()),
            };
            match bytes[..count].iter().find_map(|byte| typed.push(*byte)) {
                Some(End::Signal(SIGTSTP)) => stop(&hidden)?,
                Some(End::Signal(signal)) => break Ok(Some(signal)),
                Some(End::Done) => break Ok(None),
                // The terminal is gone.
                None if count == 0 => break Err(io::ErrorKind::UnexpectedEof.into()),
                None => {}
            }
            bytes.zeroize();
        };
        drop((hidden, signals));
        match end? {
            None => Ok(typed.into_bytes()),
            Some(signal) => end_by(signal),
        }
    }

    /// Stops the process until a shell sends SIGCONT. Does nothing without a shell, since nothing
    /// would continue the process.
    fn stop(hidden: &Hidden<'_>) -> io::Result<()> {
        if getsid(None).is_ok_and(|session| session == getpid()) {
            return Ok(());
        }
        hidden.show();
        low_level::emulate_default_handler(SIGTSTP)
    }

    /// A terminal without echo. Dropping this restores the terminal.
    struct Hidden<'a> {
        stdin: &'a Stdin,
        before: Termios,
    }

    impl<'a> Hidden<'a> {
        fn start(stdin: &'a Stdin) -> io::Result<Self> {
            let before = tcgetattr(stdin)?;
            let hidden = Self { stdin, before };
            hidden.hide()?;
            Ok(hidden)
        }

        fn hide(&self) -> io::Result<()> {
            let mut hidden = self.before.clone();
            // In canonical mode a terminal truncates lines at 4096 bytes, and a token may be
            // longer.
            hidden.local_modes.remove(
                LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN,
            );
            hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
            hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
            // `Now` keeps input that was pasted already.
            Ok(tcsetattr(self.stdin, OptionalActions::Now, &hidden)?)
        }

        fn show(&self) {
            // `Flush` drops input after the end: a shell would run the rest of a secret and save it
            // in its history.
            let _ = tcsetattr(self.stdin, OptionalActions::Flush, &self.before);
        }
    }

    impl Drop for Hidden<'_> {
        fn drop(&mut self) {
            self.show();
        }
    }

    /// Handlers for the signals that end, stop or continue a process. Dropping this removes them.
    /// The keyboard's signals arrive as characters instead.
    struct Signals {
        received: Arc<AtomicUsize>,
        caught: Vec<(i32, SigId)>,
    }

    impl Signals {
        fn catch() -> io::Result<Self> {
            let mut signals = Self {
                received: Arc::default(),
                caught: Vec::new(),
            };
            for signal in ending_signals().chain([SIGTSTP, SIGCONT]) {
                let id = flag::register_usize(signal, Arc::clone(&signals.received), signal as usize)?;
                signals.caught.push((signal, id));
            }
            Ok(signals)
        }

        /// Returns and clears the latest signal.
        fn take(&self) -> Option<i32> {
            let signal = self.received.swap(0, Ordering::Relaxed);
            i32::try_from(signal).ok().filter(|signal| *signal != 0)
        }
    }

    impl Drop for Signals {
        fn drop(&mut self) {
            for (signal, id) in &self.caught {
                low_level::unregister(*id);
                // Without this, the signal would have no effect after the handler is removed.
                let _ = flag::register_conditional_default(*signal, Arc::new(AtomicBool::new(true)));
            }
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    use std::io::{self, Read};

    use zeroize::Zeroizing;

    pub(super) fn read_line(_: usize, prompt: impl Fn()) -> io::Result<Zeroizing<Vec<u8>>> {
        prompt();
        rpassword::read_password().map(|text| Zeroizing::new(text.into_bytes()))
    }

    pub(super) fn read_text(limit: usize, prompt: impl Fn()) -> io::Result<Zeroizing<Vec<u8>>> {
        prompt();
        // Capacity for the longest input, so that growth leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
        io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The input of a terminal in raw mode: line editing, control characters and escape sequences.
#[cfg(unix)]
mod typed {
    use signal_hook::consts::{SIGINT, SIGQUIT, SIGTSTP};
    use zeroize::{Zeroize, Zeroizing};

    /// The input so far.
    pub(super) struct Typed {
        bytes: Zeroizing<Vec<u8>>,
        limit: usize,
        is_line: bool,
        sequence: Sequence,
    }

    /// The end of the input.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) enum End {
        Done,
        /// The user pressed a key that sends this signal.
        Signal(i32),
    }

    /// The progress within an escape sequence, which keys such as arrows send, and which terminals
    /// put around pasted text.
    enum Sequence {
        /// Not in an escape sequence.
        No,
        /// After the escape character.
        Escape,
        /// In the parameters of a control sequence.
        Control,
    }

    impl Typed {
        /// Creates the input of one line, ended by Enter or Ctrl-D.
        pub(super) fn line(limit: usize) -> Self {
            Self::new(limit, true)
        }

        /// Creates the input of several lines, ended by Ctrl-D.
        pub(super) fn text(limit: usize) -> Self {
            Self::new(limit, false)
        }

        fn new(limit: usize, is_line: bool) -> Self {
            Self {
                // Capacity for the longest input, so that growth leaves no copy behind.
                bytes: Zeroizing::new(Vec::with_capacity(limit + 1)),
                limit,
                is_line,
                sequence: Sequence::No,
            }
        }

        pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
            self.bytes
        }

        pub(super) fn clear(&mut self) {
            self.bytes.zeroize();
            self.sequence = Sequence::No;
        }

        /// Adds a byte. Returns the end of the input if this byte ends it.
        pub(super) fn push(&mut self, byte: u8) -> Option<End> {
            match (&self.sequence, byte) {
                (Sequence::Escape, b'[' | b'O') => {
                    self.sequence = Sequence::Control;
                    return None;
                }
                (Sequence::Control, 0x20..=0x3f) => return None,
                (Sequence::Control, 0x40..=0x7e) => {
                    self.sequence = Sequence::No;
                    return None;
                }
                _ => self.sequence = Sequence::No,
            }
            match byte {
                0x03 => return Some(End::Signal(SIGINT)),
                0x1c => return Some(End::Signal(SIGQUIT)),
                0x1a => return Some(End::Signal(SIGTSTP)),
                0x04 => return Some(End::Done),
                b'\n' | b'\r' if self.is_line => return Some(End::Done),
                b'\n' | b'\r' | b'\t' => self.add(byte),
                // Backspace.
                0x08 | 0x7f => while self.remove().is_some_and(|byte| byte & 0xc0 == 0x80) {},
                // Ctrl-U deletes the line.
                0x15 => while self.bytes.last().is_some_and(|byte| *byte != b'\n') && self.remove().is_some() {},
                0x1b => self.sequence = Sequence::Escape,
                0x00..=0x1f => {}
                _ => self.add(byte),
            }
            None
        }

        fn add(&mut self, byte: u8) {
            // One byte over the limit shows that the input is too long.
            if self.bytes.len() <= self.limit {
                self.bytes.push(byte);
            }
        }

        fn remove(&mut self) -> Option<u8> {
            let last = self.bytes.last_mut()?;
            let byte = *last;
            last.zeroize();
            self.bytes.pop();
            Some(byte)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn typed(mut typed: Typed, keys: &[u8]) -> (String, Option<End>) {
            let end = keys.iter().find_map(|byte| typed.push(*byte));
            (String::from_utf8(typed.into_bytes().to_vec()).unwrap(), end)
        }

        #[test]
        fn line_ends_with_enter() {
            for (keys, text) in [
                ("s3cret\nmore", "s3cret"),
                ("s3cret\r", "s3cret"),
                ("s3cret\u{4}", "s3cret"),
                ("\n", ""),
                ("s4\u{7f}3cret\n", "s3cret"),
                ("sé\u{8}3cret\n", "s3cret"),
                ("wrong\u{15}s3cret\n", "s3cret"),
                ("\u{7f}\u{15}s3cret\n", "s3cret"),
                ("\u{1b}[200~s3cret\u{1b}[201~\n", "s3cret"),
                ("s3\u{1b}[A\u{1b}OBcret\u{1b}[1;5C\n", "s3cret"),
                ("s3\u{1}\u{0}cret\n", "s3cret"),
            ] {
                let read = typed(Typed::line(100), keys.as_bytes());
                assert_eq!(read, (text.to_owned(), Some(End::Done)), "{keys:?}");
            }
        }

        #[test]
        fn text_ends_with_ctrl_d() {
            let read = typed(Typed::text(100), b"one\n\ttwox\x7f\nwrong\x15three\x04four");
            assert_eq!(read, ("one\n\ttwo\nthree".to_owned(), Some(End::Done)));
            assert_eq!(typed(Typed::text(100), b"one\n").1, None);
        }

        #[test]
        fn signal_keys_end_the_input() {
            for make in [Typed::line as fn(usize) -> Typed, Typed::text] {
                assert_eq!(typed(make(9), b"one\x03").1, Some(End::Signal(SIGINT)));
                assert_eq!(typed(make(9), b"one\x1c").1, Some(End::Signal(SIGQUIT)));
                assert_eq!(typed(make(9), b"one\x1a").1, Some(End::Signal(SIGTSTP)));
            }
        }

        #[test]
        fn too_long_input_is_truncated_past_the_limit() {
            let (text, end) = typed(Typed::line(4), b"123456789\n");
            assert_eq!((text.as_str(), end), ("12345", Some(End::Done)));
        }
    }
}
