//! Kinds of files, determined by their names.

/// The kind of a file, or of a block of code in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// XML, in which `&amp;` is correct everywhere.
    Markup,
    /// Markup with embedded code: `&amp;` is correct in the markup, and wrong in strings of the
    /// code.
    Mixed,
    /// A document with blocks of code.
    Document,
    /// Settings, such as a `.env` file.
    Settings,
    /// Shell commands, an HTTP request, or a text of unknown kind: words without quotes are text.
    Plain,
    /// A program: words without quotes are expressions.
    Code,
}

impl Kind {
    /// Returns the kind of a file.
    pub(crate) fn of(name: &str, text: &str) -> Self {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match by_word(extension) {
            Some(kind) => kind,
            None if name.starts_with(".env") => Self::Settings,
            // Standard input.
            None if extension.is_empty() && text.contains("```") => Self::Document,
            None if extension.is_empty() => Self::Plain,
            None => Self::Code,
        }
    }

    /// Returns the kind of a block of code, by its info string.
    pub(crate) fn of_block(info: &str) -> Self {
        let word = info
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(|word| !word.is_empty());
        match word.map(str::to_ascii_lowercase).as_deref() {
            None | Some("text" | "http" | "output") => Self::Document,
            Some(word) => by_word(word).unwrap_or(Self::Code),
        }
    }
}

/// Returns the kind for a file extension or the name of a language.
fn by_word(word: &str) -> Option<Kind> {
    Some(match word {
        "xml" | "svg" | "xaml" | "axaml" | "csproj" | "vbproj" | "fsproj" | "config" | "resx" | "wsdl" | "xsd"
        | "xsl" | "xslt" | "plist" | "storyboard" | "xib" | "fxml" | "rss" | "atom" | "opml" | "nuspec" | "props"
        | "targets" | "dita" | "mjml" | "policy" => Kind::Markup,
        "html" | "htm" | "xhtml" | "shtml" | "jsp" | "jspx" | "cshtml" | "vbhtml" | "razor" | "aspx" | "ascx"
        | "master" | "vue" | "jsx" | "tsx" | "svelte" | "astro" | "php" | "phtml" | "erb" | "ejs" | "hbs"
        | "handlebars" | "mustache" | "twig" | "j2" | "jinja" | "jinja2" | "liquid" | "njk" | "tmpl" | "gohtml"
        | "heex" | "ftl" | "cfm" => Kind::Mixed,
        "md" | "markdown" | "mdx" | "txt" | "rst" | "adoc" => Kind::Document,
        "env" | "json" | "jsonc" | "json5" | "yaml" | "yml" | "toml" | "ini" | "properties" | "cfg" | "conf"
        | "tfvars" | "dotenv" => Kind::Settings,
        "sh" | "bash" | "zsh" | "fish" | "bat" | "cmd" | "http" | "rest" | "curl" | "log" | "diff" | "patch"
        | "shell" | "console" | "dockerfile" | "makefile" | "mk" => Kind::Plain,
        _ => return None,
    })
}
