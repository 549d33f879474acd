//! The paths and the modules that Rust code names.

/// Rust code as far as it has to be understood to see which paths it names: neither comments, nor
/// the text of literals, nor what is built for tests only.
#[derive(Debug)]
pub(crate) struct Source {
    tokens: Vec<Token>,
    /// The names of modules that exist in tests only and have a file of their own.
    pub(crate) test_modules: Vec<String>,
}

/// A path as the code names it. `use std::{fs, io as i}` names `std::fs` and `std::io`.
#[derive(Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// True for the call of a macro: `env!`.
    pub(crate) bang: bool,
    /// The number of inline modules (`mod name { .. }`) around it.
    pub(crate) inline: usize,
    /// Set if a `use` names it.
    pub(crate) import: Option<Import>,
}

/// A name that a `use` brings into its module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Import {
    /// The last segment, or what stands after `as`.
    pub(crate) name: String,
    /// True if other modules may use the name: `pub use`, `pub(crate) use`.
    pub(crate) reexport: bool,
}

#[derive(Clone, Debug)]
struct Token {
    line: usize,
    /// A word, `::`, or one character of anything else.
    text: String,
}

impl Source {
    pub(crate) fn read(code: &str) -> Self {
        let (tokens, test_modules) = without_tests(tokens(&blanked(code)));
        Self { tokens, test_modules }
    }

    /// The lines on which `word` stands as a word of its own.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<usize> {
        self.tokens
            .iter()
            .filter(|token| token.text == word)
            .map(|token| token.line)
            .collect()
    }

    /// Every path it names, single words among them.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        let mut at = 0;
        // The depth of braces, and the depths at which inline modules start.
        let mut depth = 0_usize;
        let mut inline = Vec::new();
        while at < self.tokens.len() {
            let before = paths.len();
            let text = self.text(at);
            if text == "{" {
                depth += 1;
            } else if text == "}" {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            } else if text == "mod" && self.text(at + 2) == "{" {
                inline.push(depth);
            }
            let after_use = text == "use" && self.text(at + 1) != "<";
            at = if after_use {
                let reexport = at > 0 && ["pub", ")"].contains(&self.text(at - 1));
                self.import(at + 1, &mut Vec::new(), reexport, &mut paths)
            } else if is_word(text) {
                self.path(at, &mut paths)
            } else {
                at + 1
            };
            for path in &mut paths[before..] {
                path.inline = inline.len();
            }
        }
        paths
    }

    /// The modules that it declares and that have a file of their own.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &str> {
        self.tokens
            .windows(3)
            .filter(|tokens| tokens[0].text == "mod" && tokens[2].text == ";")
            .map(|tokens| tokens[1].text.as_str())
    }

    fn path(&self, start: usize, paths: &mut Vec<Path>) -> usize {
        let mut segments = vec![self.text(start).to_owned()];
        let mut at = start + 1;
        while self.text(at) == "::" && is_word(self.text(at + 1)) {
            segments.push(self.text(at + 1).to_owned());
            at += 2;
        }
        let bang = self.text(at) == "!" && self.text(at + 1) != "=";
        paths.push(Path {
            line: self.tokens[start].line,
            segments,
            bang,
            inline: 0,
            import: None,
        });
        at
    }

    /// One branch of an import, from `at` on. Gives back where it ends.
    fn import(&self, mut at: usize, prefix: &mut Vec<String>, reexport: bool, paths: &mut Vec<Path>) -> usize {
        let depth = prefix.len();
        let mut alias = None;
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        let mut whole = false;
        loop {
            let text = self.text(at);
            if text == "{" {
                whole = false;
                at += 1;
                while !["}", ""].contains(&self.text(at)) {
                    let end = self.import(at, prefix, reexport, paths);
                    at = if self.text(end) == "," || end == at {
                        end + 1
                    } else {
                        end
                    };
                }
                at += 1;
                break;
            } else if text == "as" {
                alias = Some(self.text(at + 1));
                at += 2;
            } else if text == "*" || is_word(text) {
                prefix.push(text.to_owned());
                whole = true;
                at += 1;
            } else if text == "::" {
                at += 1;
            } else {
                break;
            }
        }
        if whole {
            let name = alias.or_else(|| prefix.iter().rev().map(String::as_str).find(|name| *name != "self"));
            paths.push(Path {
                line,
                segments: prefix.clone(),
                bang: false,
                inline: 0,
                import: Some(Import {
                    name: name.unwrap_or_default().to_owned(),
                    reexport,
                }),
            });
        }
        prefix.truncate(depth);
        at
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

/// Returns the comments and literals of `code`, each of their lines with its number.
pub(crate) fn texts(code: &str) -> Vec<(usize, String)> {
    let code: Vec<char> = code.chars().collect();
    let mut texts = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < code.len() {
        let end = end_of_text(&code, at);
        if end > at {
            let text: String = code[at..end].iter().collect();
            texts.extend((line..).zip(text.split('\n').map(str::to_owned)));
            line += text.matches('\n').count();
            at = end;
        } else {
            line += usize::from(code[at] == '\n');
            at += 1;
        }
    }
    texts
}

/// Returns `code` with blanks in place of comments and literals. The lines keep their numbers.
fn blanked(code: &str) -> String {
    let code: Vec<char> = code.chars().collect();
    let mut blanked = String::with_capacity(code.len());
    let mut at = 0;
    while at < code.len() {
        let end = end_of_text(&code, at);
        if end > at {
            blanked.extend(code[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            blanked.push(code[at]);
            at += 1;
        }
    }
    blanked
}

/// Returns the end of the comment or literal that starts at `at`, or `at` if none starts there.
fn end_of_text(code: &[char], at: usize) -> usize {
    let peek = |ahead: usize| code.get(at + ahead).copied().unwrap_or('\0');
    let find =
        |from: usize, found: &dyn Fn(usize) -> bool| (from..code.len()).find(|&i| found(i)).unwrap_or(code.len());
    match peek(0) {
        '/' if peek(1) == '/' => find(at, &|i| code[i] == '\n'),
        '/' if peek(1) == '*' => end_of_block_comment(code, at),
        '"' => end_of_quoted(code, at + 1, '"'),
        '\'' if peek(1) == '\\' => end_of_quoted(code, at + 1, '\''),
        '\'' if peek(2) == '\'' => at + 3,
        'r' if !follows_name(code, at) => {
            let hashes = code[at + 1..].iter().take_while(|&&c| c == '#').count();
            if peek(1 + hashes) != '"' {
                return at;
            }
            let closes = |i: usize| code[i] == '"' && code[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
            (find(at + 2 + hashes, &closes) + 1 + hashes).min(code.len())
        }
        _ => at,
    }
}

/// Returns true if the `r` at `at` is part of a name and does not start a raw literal (`r"`,
/// `br"`, `cr"`).
fn follows_name(code: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or(' ', |i| code[i]);
    match before(1) {
        'b' | 'c' => is_of_word(before(2)),
        other => is_of_word(other),
    }
}

fn end_of_quoted(code: &[char], mut at: usize, quote: char) -> usize {
    while at < code.len() && code[at] != quote {
        at += if code[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(code.len())
}

fn end_of_block_comment(code: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < code.len() {
        match code[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn tokens(blanked: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(blanked.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_of_word(first) {
                rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            tokens.push(Token {
                line,
                text: token.to_owned(),
            });
            rest = after.trim_start();
        }
    }
    tokens
}

/// Takes out each item under `#[cfg(test)]`, and tells which modules among them have a file.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    let mut kept = Vec::new();
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !starts_with(&tokens[at..], CFG_TEST) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += CFG_TEST.len();
        let end = at + length_of_item(&tokens[at..]);
        if let [.., keyword, name, semicolon] = &tokens[at..end] {
            if keyword.text == "mod" && semicolon.text == ";" {
                modules.push(name.text.clone());
            }
        }
        at = end;
    }
    (kept, modules)
}

/// An item ends with a semicolon or with the braces that close its body.
fn length_of_item(tokens: &[Token]) -> usize {
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return at;
        }
        if depth == 0 && ["}", ";"].contains(&token.text.as_str()) {
            return at + 1;
        }
    }
    tokens.len()
}

fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(is_of_word)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

const CFG_TEST: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]"];

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        let long = |path: &Path| path.segments.len() > 1;
        Source::read(code)
            .paths()
            .iter()
            .filter(|path| long(path))
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn imports_are_spelled_out() {
        assert_eq!(
            paths("use std::{fs, io::{self, Read as R}, net::*};\nuse ::std::env as e;\nuse a;"),
            ["std::fs", "std::io::self", "std::io::Read", "std::net::*", "std::env"]
        );
        assert_eq!(
            paths("use std::{\n    fs,\n};\nfn f() { a::b(); }"),
            ["std::fs", "a::b"]
        );
        assert_eq!(paths("fn f<T>() -> impl Sized + use<T> { a::b() }"), ["a::b"]);
    }

    #[test]
    fn imports_bind_names() {
        let source = Source::read("use a::{self, b as c};\npub(crate) use d::e;\npub use f::*;\ng::h();");
        let imports: Vec<_> = source.paths().into_iter().filter_map(|path| path.import).collect();
        let named: Vec<_> = imports
            .iter()
            .map(|import| (import.name.as_str(), import.reexport))
            .collect();
        assert_eq!(named, [("a", false), ("c", false), ("e", true), ("*", true)]);
    }

    #[test]
    fn inline_modules_are_counted() {
        let source = Source::read("a::b(); mod c { fn d() { e::f() } mod g { h::i() } }\nmod j;\nk::l();");
        let long: Vec<_> = source
            .paths()
            .into_iter()
            .filter(|path| path.segments.len() > 1)
            .collect();
        let depths: Vec<_> = long
            .iter()
            .map(|path| (path.segments[0].as_str(), path.inline))
            .collect();
        assert_eq!(depths, [("a", 0), ("e", 1), ("h", 2), ("k", 0)]);
        assert_eq!(source.modules().collect::<Vec<_>>(), ["j"]);
    }

    #[test]
    fn comments_and_text_name_nothing() {
        assert_eq!(
            paths(concat!(
                "// a::b\n/// c::d\n/* e::f /* g::h */ i::j */ k::l\n",
                "let s = \"m::n \\\" o::p // \"; q::r();\n",
                "let s = r#\"s::t \" u::v\"#; br\"w::x\\\"; y::z();\n",
                "let c = '\"'; a1::b1(); let c = '\\''; fn f<'a>(x: &'a str) { c1::d1() }\n",
            )),
            ["k::l", "q::r", "y::z", "a1::b1", "c1::d1"]
        );
    }

    #[test]
    fn what_is_built_for_tests_is_passed_over_and_nothing_else() {
        let source = Source::read(
            "#[cfg(test)]\nmod scenario;\nuse a::b;\n#[cfg(test)]\n#[allow(x)]\nfn f() { c::d([1, 2]) }\nfn g() { e::f() }\n\
             #[cfg(test)]\nmod tests { fn h() { g::h() } }\nuse i::j;",
        );
        let long: Vec<_> = source
            .paths()
            .into_iter()
            .filter(|path| path.segments.len() > 1)
            .collect();
        let named: Vec<_> = long.iter().map(|path| (path.line, path.segments.join("::"))).collect();
        assert_eq!(named, [(3, "a::b".into()), (7, "e::f".into()), (10, "i::j".into())]);
        assert_eq!(source.test_modules, ["scenario"]);
    }

    #[test]
    fn a_macro_is_told_from_a_comparison() {
        let source = Source::read("env!(\"X\"); env != x");
        let bangs: Vec<_> = source
            .paths()
            .iter()
            .filter(|path| path.segments == ["env"])
            .map(|path| path.bang)
            .collect();
        assert_eq!(bangs, [true, false]);
    }

    #[test]
    fn broken_code_ends_the_reading_and_does_not_hang_it() {
        for code in [
            "use std::{",
            "use {{{",
            "use ,;",
            "r#\"",
            "r#",
            "'",
            "'\\",
            "\"\\",
            "/*",
            "#[cfg(test)]",
            "use",
            "}",
        ] {
            let _ = Source::read(code).paths();
        }
    }
}
