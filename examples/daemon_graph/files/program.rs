//! `Program.cs`: the sample has its settings as string literals in its code.

use crate::common::Failure;
use crate::common::config::{Entry, at_line};
use crate::sample::Names;

/// Finds the lines `Name = "value"` of the sample's settings, and ignores all others.
pub(super) fn parse(text: &str, names: &Names) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let line = line.trim();
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with("//")) else {
            continue;
        };
        // A type may precede the name: `const string Authority`.
        let word = key.split_whitespace().next_back();
        let Some(key) = names.all().find(|name| Some(*name) == word && !value.starts_with('=')) else {
            continue;
        };
        let unusual = || {
            at_line(number, &format!("does not set {key} to a plain string"))
                .hint(format!("write {key} = \"value\", without escapes"))
        };
        let inner = value.trim_start().strip_prefix('"').ok_or_else(unusual)?;
        let (value, behind) = inner.split_once('"').ok_or_else(unusual)?;
        let behind = behind.trim_start();
        let is_end = behind.is_empty() || behind.starts_with([',', ';', '}']) || behind.starts_with("//");
        if value.contains('\\') || !is_end {
            return Err(unusual());
        }
        entries.push(Entry::new(key, value, number));
    }
    if entries.is_empty() {
        return Err(Failure::new("holds none of the settings of the sample")
            .hint("write lines such as Authority = \"https://login.microsoftonline.com/your-tenant\","));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn settings_are_found_among_code() {
        let text = "using X;\r\nvar config = new {\r\n    // Authority = \"no\"\r\n    Authority = \" https://login.example/t\",\r\n    ClientId = \"a\", // comment\r\n    ClientSecret = \"s=//t\"\r\n};\r\nif (a.X && ClientId == b) {}\nconst string ClientObjectId = \"o\";\r\nvar a = b.Create(config.ClientId)\n";
        let read = parse(text, Sample::Dotnet.names()).unwrap();
        let read: Vec<_> = read.iter().map(|it| (&*it.key, &*it.value, it.line.unwrap())).collect();
        assert_eq!(
            read,
            [
                ("Authority", " https://login.example/t", 4),
                ("ClientId", "a", 5),
                ("ClientSecret", "s=//t", 6),
                ("ClientObjectId", "o", 9)
            ]
        );
    }

    #[test]
    fn error_names_the_line_but_not_the_text() {
        for text in [
            "\nClientSecret = canary",
            "\nClientSecret = \"canary",
            "\nClientSecret = \"can\\u0041canary\",",
            "\nClientSecret = \"a\" + canary",
            "\nprivate const string ClientSecret = @\"canary\";",
        ] {
            let failure = parse(text, Sample::Dotnet.names()).unwrap_err();
            assert!(failure.problem.starts_with("line 2 "), "{}", failure.problem);
            assert!(!format!("{failure:?}").contains("canary"));
        }
        assert!(parse("", Sample::Dotnet.names()).is_err());
    }
}
