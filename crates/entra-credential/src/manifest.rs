//! Edits of an application's manifest.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::MAX_FILE;
use crate::error::Error;
use crate::key_credential::{KeyCredential, VERIFY};

impl KeyCredential {
    /// Adds `entries` to a manifest (JSON) and returns the new text, to be uploaded. The existing
    /// text stays unchanged and in its place. A certificate that is already listed keeps its entry
    /// and its `keyId`. The new entries come last, in the format of the manifest: that of Microsoft
    /// Graph (`key`, `startDateTime`), or the older one (`value`, `startDate`). In a response of
    /// Microsoft Graph with an `application` beside its service principal, the application is
    /// edited.
    ///
    /// # Errors
    /// Returns an error if `manifest` is not a JSON object with at most one `keyCredentials`, a
    /// list or null, or if a `keyId` belongs to another certificate there.
    pub fn merge<'a>(manifest: &str, entries: impl IntoIterator<Item = &'a Self>) -> Result<String, Error> {
        merge(manifest, entries)
    }
}

/// Adds entries to the `keyCredentials` of a manifest by editing its text. Parsing and writing the
/// JSON would lose the order of its members, the form of its numbers, and its layout.
fn merge<'a>(manifest: &str, entries: impl IntoIterator<Item = &'a KeyCredential>) -> Result<String, Error> {
    if manifest.len() > MAX_FILE {
        return Err(Error::manifest(
            "is longer than 1 MiB",
            "check the file: no application has a manifest so long",
        ));
    }
    let text = manifest.strip_prefix('\u{feff}').unwrap_or(manifest);
    let sound = serde_json::from_str::<IgnoredAny>(text);
    sound.map_err(|error| {
        Error::manifest(
            format!("is not JSON (line {}, column {})", error.line(), error.column()),
            "download it again",
        )
    })?;

    let object = Object::find(text)?;
    let listed = object.listed(text)?;
    let mut fresh: Vec<&KeyCredential> = Vec::new();
    for entry in entries {
        let known = listed.iter().any(|it| it.is(entry)) || fresh.iter().any(|it| it.key() == entry.key());
        if known {
            continue;
        }
        let key_id = entry.key_id().to_string();
        let taken =
            listed.iter().any(|it| it.is_called(&key_id)) || fresh.iter().any(|it| it.key_id() == entry.key_id());
        if taken {
            return Err(Error::manifest(
                format!("has another certificate under the keyId {key_id}"),
                "draw a fresh one",
            ));
        }
        fresh.push(entry);
    }
    if fresh.is_empty() {
        return Ok(manifest.to_owned());
    }
    let (range, replacement) = object.edit(text, &fresh, object.format(text));
    let bom = manifest.len() - text.len();
    let mut edited = manifest.to_owned();
    edited.replace_range(range.start + bom..range.end + bom, &replacement);
    Ok(edited)
}

/// The positions of the parts of a manifest in its text.
struct Object {
    /// The position after its opening brace.
    start: usize,
    empty: bool,
    /// The value of `keyCredentials`.
    key_credentials: Option<Range<usize>>,
    password_credentials: Option<Range<usize>>,
    /// The names of the members that are objects, and their positions.
    objects: Vec<(String, usize)>,
    /// True if its `value` is a list, as in a response with several applications.
    has_list: bool,
    /// True if it has a member that Microsoft Graph does not know.
    has_legacy_member: bool,
    layout: Layout,
}

/// The format of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// The format of Microsoft Graph, which the portal has used since December 2024.
    Graph,
    /// The former format of the portal, which it no longer accepts.
    Legacy,
}

/// The white space between the members.
struct Layout {
    /// The line break and the indentation before a member. Empty if all of it is on one line.
    before_member: String,
    /// The additional indentation of each level.
    unit: String,
}

/// The members of an existing entry that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    custom_key_identifier: Option<String>,
    key_id: Option<String>,
    usage: Option<String>,
    value: Option<String>,
    /// The name of `value` in Microsoft Graph.
    key: Option<String>,
}

impl Object {
    fn find(text: &str) -> Result<Self, Error> {
        let open = space(text).len();
        if text[open..].starts_with('[') {
            return Err(list_error(text));
        }
        let object = Self::read(text, open, "")?;
        if object.key_credentials.is_some() {
            return Ok(object);
        }
        for (name, at) in &object.objects {
            let inner = Self::read(text, *at, &object.layout.before_member)?;
            match (inner.key_credentials.is_some(), name.as_str()) {
                // Microsoft Graph returns an application this way, beside its service principal.
                (true, "application") => return Ok(inner),
                (true, _) if object.objects.iter().all(|(name, _)| name != "application") => {
                    return Err(Error::manifest(
                        "has keyCredentials inside one of its members",
                        "give that object alone",
                    ));
                }
                _ => {}
            }
        }
        if object.has_list {
            return Err(list());
        }
        Ok(object)
    }

    /// Reads the object at `open`, inside an object whose members are indented by `outer`.
    fn read(text: &str, open: usize, outer: &str) -> Result<Self, Error> {
        let not_an_object = || Error::manifest("is not a JSON object", "download it again");
        if !text[open..].starts_with('{') {
            return Err(not_an_object());
        }
        let start = open + 1;
        let before_member = space(&text[start..]);
        let unit = before_member.strip_prefix(outer).unwrap_or(before_member);
        let mut object = Self {
            start,
            empty: true,
            key_credentials: None,
            password_credentials: None,
            objects: Vec::new(),
            has_list: false,
            has_legacy_member: false,
            layout: Layout {
                before_member: before_member.to_owned(),
                unit: unit.trim_start_matches(['\r', '\n']).to_owned(),
            },
        };
        let mut at = start + before_member.len();
        while !text[at..].starts_with('}') {
            object.empty = false;
            let (name, end) = value::<String>(text, at).ok_or_else(not_an_object)?;
            at = past(text, end, ':');
            let (IgnoredAny, end) = value(text, at).ok_or_else(not_an_object)?;
            object.add(text, name, at..end)?;
            at = past(text, end, ',');
        }
        Ok(object)
    }

    /// Records the information in this member.
    fn add(&mut self, text: &str, name: String, range: Range<usize>) -> Result<(), Error> {
        if name == KEY_CREDENTIALS {
            if self.key_credentials.replace(range).is_some() {
                return Err(Error::manifest("has keyCredentials twice", "keep one of them"));
            }
        } else if name.eq_ignore_ascii_case(KEY_CREDENTIALS) {
            return Err(Error::manifest(
                "has keyCredentials in other letters, as PowerShell writes it",
                "download it from the portal, or with `az ad app show`",
            ));
        } else if name == PASSWORD_CREDENTIALS {
            self.password_credentials = Some(range);
        } else if text[range.start..].starts_with('{') {
            self.objects.push((name, range.start));
        } else {
            self.has_list |= name == "value" && text[range].starts_with('[');
            self.has_legacy_member |= LEGACY_MEMBERS.contains(&name.as_str());
        }
        Ok(())
    }

    /// Returns its format according to its listed credentials, or otherwise to its other members.
    fn format(&self, text: &str) -> Format {
        let mut found = Vec::new();
        for list in [&self.key_credentials, &self.password_credentials]
            .into_iter()
            .flatten()
        {
            let entries: Option<Vec<BTreeMap<String, IgnoredAny>>> =
                serde_json::from_str(&text[list.clone()]).unwrap_or_default();
            for name in entries.into_iter().flatten().flat_map(BTreeMap::into_keys) {
                match name.as_str() {
                    "key" | "startDateTime" | "endDateTime" | "displayName" => found.push(Format::Graph),
                    "value" | "startDate" | "endDate" => found.push(Format::Legacy),
                    _ => {}
                }
            }
        }
        match found.first() {
            Some(first) if found.iter().all(|it| it == first) => *first,
            _ if self.has_legacy_member => Format::Legacy,
            _ => Format::Graph,
        }
    }

    /// Returns the existing entries.
    fn listed(&self, text: &str) -> Result<Vec<Listed>, Error> {
        let Some(range) = self.key_credentials.clone() else {
            return Ok(Vec::new());
        };
        let listed: Option<Vec<Listed>> = serde_json::from_str(&text[range])
            .map_err(|_| Error::manifest("has keyCredentials that are not a list of entries", "download it again"))?;
        Ok(listed.unwrap_or_default())
    }

    /// Returns the edit that lists `fresh`: a position and a text.
    fn edit(&self, text: &str, fresh: &[&KeyCredential], format: Format) -> (Range<usize>, String) {
        let Some(range) = self.key_credentials.clone() else {
            let before = &self.layout.before_member;
            let comma = if self.empty { "" } else { "," };
            let list = self.list("", fresh, format);
            return (
                self.start..self.start,
                format!("{before}\"{KEY_CREDENTIALS}\": {list}{comma}"),
            );
        };
        let old = text[range.clone()]
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'));
        let entries = old.unwrap_or_default().trim_end_matches(is_space);
        let entries = if entries.trim_start_matches(is_space).is_empty() {
            ""
        } else {
            entries
        };
        (range, self.list(entries, fresh, format))
    }

    /// Returns a list of the existing text, with the space before it, and of the new entries.
    fn list(&self, old: &str, fresh: &[&KeyCredential], format: Format) -> String {
        let member = &self.layout.before_member;
        let unit = self.layout.unit.as_str();
        let lines = member.starts_with(['\r', '\n']);
        let before_entry = if lines {
            format!("{member}{unit}")
        } else {
            String::new()
        };
        let mut list = format!("[{old}");
        let mut comma = !old.is_empty();
        for entry in fresh {
            if comma {
                list.push(',');
            }
            comma = true;
            list.push_str(&before_entry);
            list.push_str(&if lines {
                written(entry, format, &before_entry, unit)
            } else {
                written(entry, format, " ", "").replace("{ ", "{").replace(" }", "}")
            });
        }
        if lines {
            list.push_str(member);
        }
        list.push(']');
        list
    }
}

/// Returns an entry, each member after `line` and one more `unit`.
fn written(entry: &KeyCredential, format: Format, line: &str, unit: &str) -> String {
    let pretty = match format {
        Format::Graph => entry.to_json(),
        Format::Legacy => entry.to_legacy_json(),
    };
    let mut lines = pretty.lines();
    let mut text = lines.next().unwrap_or_default().to_owned();
    for member in lines {
        text.push_str(line);
        if member.starts_with(' ') {
            text.push_str(unit);
        }
        text.push_str(member.trim_start());
    }
    text
}

impl Listed {
    /// Returns true if it lists the certificate of `entry` for the same use. A certificate that
    /// signs SAML tokens is listed twice, for two uses.
    fn is(&self, entry: &KeyCredential) -> bool {
        let other_use = self
            .usage
            .as_deref()
            .is_some_and(|usage| !usage.eq_ignore_ascii_case(VERIFY));
        if other_use {
            return false;
        }
        let values = [&self.value, &self.key].into_iter().flatten();
        let identifier = self.custom_key_identifier.as_deref().unwrap_or_default();
        values.into_iter().any(|value| value == entry.key())
            || identifier == entry.custom_key_identifier()
            // The portal and the Azure CLI show it in hexadecimal.
            || identifier.eq_ignore_ascii_case(entry.sha1_hex())
    }

    fn is_called(&self, key_id: &str) -> bool {
        self.key_id.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(key_id))
    }
}

/// Returns the error for a list in place of a manifest.
fn list_error(text: &str) -> Error {
    let entries: Vec<BTreeMap<String, IgnoredAny>> = serde_json::from_str(text).unwrap_or_default();
    if entries.iter().any(|entry| entry.contains_key("keyId")) {
        Error::manifest(
            "is a list of credentials, and not a JSON object",
            "give all of the manifest",
        )
    } else {
        list()
    }
}

fn list() -> Error {
    Error::manifest(
        "is a list of applications, and not a JSON object",
        "give one of them, such as from `az ad app show`",
    )
}

/// Returns the JSON value at `at`, and its end.
fn value<T: DeserializeOwned>(text: &str, at: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, at + values.byte_offset()))
}

/// Skips white space at `at`, this character if it follows, and white space after it.
fn past(text: &str, at: usize, character: char) -> usize {
    let at = at + space(&text[at..]).len();
    let at = at + usize::from(text[at..].starts_with(character));
    at + space(&text[at..]).len()
}

/// Returns the white space at the start of `text`.
fn space(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches(is_space).len()]
}

/// Returns true for white space of JSON.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

const KEY_CREDENTIALS: &str = "keyCredentials";
const PASSWORD_CREDENTIALS: &str = "passwordCredentials";

/// The members of the portal's older format or of Azure AD Graph that an application of Microsoft
/// Graph does not have.
const LEGACY_MEMBERS: &[&str] = &[
    "accessTokenAcceptedVersion",
    "allowPublicClient",
    "availableToOtherTenants",
    "errorUrl",
    "homepage",
    "informationalUrls",
    "knownClientApplications",
    "logoUrl",
    "logoutUrl",
    "name",
    "oauth2AllowIdTokenImplicitFlow",
    "oauth2AllowImplicitFlow",
    "oauth2AllowUrlPathMatching",
    "oauth2Permissions",
    "orgRestrictions",
    "preAuthorizedApplications",
    "replyUrls",
    "replyUrlsWithType",
    "signInUrl",
];
