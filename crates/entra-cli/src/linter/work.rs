//! A count of the work of a check, which shows that it is linear in the length of the file.
//!
//! The loops that read text around a position count their steps: bytes, parameters or lines. Only
//! tests read the count.

/// Counts steps.
pub(super) fn count(steps: usize) {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + steps);
    #[cfg(not(test))]
    let _ = steps;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use crate::linter::check;

    thread_local! {
        /// The steps of this thread.
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    fn steps_of(name: &str, text: &str) -> usize {
        STEPS.set(0);
        check(name, text, &[]);
        STEPS.get()
    }

    /// Beginnings, repetitions and lines that rules read around.
    const UNITS: [&str; 37] = [
        "([{",
        ")]}",
        "(\n[\n",
        "scope=",
        "scope='",
        "scope='a'+",
        "scope='a' 'b' ",
        "scope='a'\n+ 'b'\n",
        "scope: |\n  a\n",
        "scope: [ ",
        "acquire_token_for_client('://' '",
        "scope:\n",
        "scope:\n- a\n",
        "- a\n",
        "|scope",
        "|Scope",
        "scope={",
        "/oauth2/token",
        "/oauth2/token\nscope=x\n",
        "scope=x\n/oauth2/token\n",
        "(\nhttps://a/oauth2/token\n",
        "https://a/oauth2/token \\\n",
        "```\n/oauth2/token\n```\nscope=x\n",
        "&amp;client_id",
        "/.default",
        " eyJ-",
        "http://a?code=",
        "://login.\"+",
        "AAD_ENDPOINT",
        "-----BEGIN",
        "grant_type=",
        "\u{e9}",
        "verify=",
        "<a &amp;scope=",
        "\"key\":\"scope\",",
        "<scope>",
        "acquire_token_for_client(\n",
    ];

    #[test]
    fn work_is_linear_in_hostile_texts() {
        // Each kind of file has a thread of its own, with its own count.
        std::thread::scope(|scope| {
            for name in ["x.yaml", "x.py", "x.html"] {
                scope.spawn(move || is_linear(name));
            }
        });
    }

    /// Asserts that twice the text is at most twice the work.
    fn is_linear(name: &str) {
        // The difference at the ends of the text, where rules read less.
        const AT_ENDS: usize = 100_000;
        for unit in UNITS {
            let in_one_line = unit.replace('\n', " ");
            for unit in [in_one_line, format!("{}\n", unit.trim_end())] {
                let count = 48 * 1024 / unit.len();
                let once = steps_of(name, &unit.repeat(count));
                let twice = steps_of(name, &unit.repeat(2 * count));
                assert!(
                    twice <= once * 2 + once / 10 + AT_ENDS,
                    "{name}: {unit:?}: {once} steps, and {twice} for twice the text"
                );
            }
        }
    }

    #[test]
    fn steps_per_byte_are_bounded() {
        for unit in UNITS {
            let line = format!("{}\n", unit.trim_end());
            let text = line.repeat(48 * 1024 / line.len());
            let steps = steps_of("x.yaml", &text);
            assert!(steps > 0 && steps < text.len() * 1000, "{unit:?}: {steps} steps");
        }
    }
}
