//! Resource types and their properties: the values, and the uses that a query may make of them.

use serde_json::Value;

use crate::api::graph::denial::Denial;
use crate::exchange::shown;

/// A resource type, such as users.
pub(crate) struct Kind<T: 'static> {
    /// The name of the collection in paths.
    pub(crate) set: &'static str,
    /// The name of the type, as in `microsoft.graph.user`.
    pub(crate) entity: &'static str,
    /// The name of the type in error messages of the directory.
    pub(crate) resource: &'static str,
    pub(crate) properties: &'static [Property<T>],
    /// For a collection of mixed types: returns the members of one object, either those with these
    /// names or the defaults of its own type.
    pub(crate) own_fields: Option<OwnFields<T>>,
    /// The names of further properties that Graph has, in lower case.
    pub(crate) absent: &'static [&'static str],
}

type OwnFields<T> = fn(&T, Option<&[&'static str]>) -> Vec<(&'static str, Value)>;

/// A property of a resource.
pub(crate) struct Property<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&T) -> Value,
    pub(crate) literals: Literals,
    /// True if responses include it without `$select`.
    pub(crate) is_default: bool,
    /// True if the caller lacks the permission to name it in a query.
    pub(crate) is_denied: bool,
    /// The support for `eq` and `in`. `ne` and `not` always require an advanced query.
    pub(crate) equality: Support,
    /// The support for `ge` and `le`.
    pub(crate) range: Support,
    /// The support for `startsWith`.
    pub(crate) prefix: Support,
    /// The support for `endsWith`.
    pub(crate) suffix: Support,
    /// The support for `$orderby`.
    pub(crate) order: Support,
}

/// The type of literals that a property is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literals {
    /// Text in quotation marks.
    Text,
    Boolean,
    Time,
    /// Text, compared with the items of a list by `any`.
    Texts,
}

/// The support of a query for some use of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Yes,
    /// Supported in advanced queries only.
    Advanced,
    /// Graph rejects it.
    No,
    /// Graph may support it, but the emulator does not.
    NotEmulated,
}

impl<T> Property<T> {
    /// Creates a property that only `$select` may name.
    pub(crate) const fn new(name: &'static str, value: fn(&T) -> Value) -> Self {
        Self {
            name,
            value,
            literals: Literals::Text,
            is_default: true,
            is_denied: false,
            equality: Support::NotEmulated,
            range: Support::NotEmulated,
            prefix: Support::NotEmulated,
            suffix: Support::NotEmulated,
            order: Support::NotEmulated,
        }
    }

    /// Creates a text property with the support for equality, range and prefix. It cannot be sorted
    /// by.
    pub(crate) const fn text(
        name: &'static str,
        value: fn(&T) -> Value,
        equality: Support,
        range: Support,
        prefix: Support,
    ) -> Self {
        Self {
            equality,
            range,
            prefix,
            suffix: Support::No,
            order: Support::No,
            ..Self::new(name, value)
        }
    }

    /// Creates a Boolean property that can be tested for equality.
    pub(crate) const fn boolean(name: &'static str, value: fn(&T) -> Value) -> Self {
        Self::text(name, value, Support::Yes, Support::No, Support::No).literals(Literals::Boolean)
    }

    /// Creates a list of texts that can be searched for one of them.
    pub(crate) const fn texts(name: &'static str, value: fn(&T) -> Value) -> Self {
        Self::text(name, value, Support::Yes, Support::No, Support::No).literals(Literals::Texts)
    }

    pub(crate) const fn suffix(self, suffix: Support) -> Self {
        Self { suffix, ..self }
    }

    pub(crate) const fn order(self, order: Support) -> Self {
        Self { order, ..self }
    }

    pub(crate) const fn literals(self, literals: Literals) -> Self {
        Self { literals, ..self }
    }

    /// Makes this a property that a response includes only if it is selected.
    pub(crate) const fn selected_only(self) -> Self {
        Self {
            is_default: false,
            ..self
        }
    }

    /// Creates a property that the caller may not read: no query may name it, and it is null in
    /// responses.
    pub(crate) const fn denied(name: &'static str) -> Self {
        Self {
            is_denied: true,
            ..Self::new(name, |_| Value::Null)
        }
    }

    /// Returns the value that filters compare and `$orderby` sorts by, in lower case.
    pub(crate) fn key(&self, item: &T) -> Option<String> {
        match (self.value)(item) {
            Value::String(text) => Some(text.to_lowercase()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// Returns true if the list contains this text, which is in lower case.
    pub(crate) fn has(&self, item: &T, text: &str) -> bool {
        let value = (self.value)(item);
        let mut items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        items.any(|item| item.to_lowercase() == text)
    }
}

impl<T> Kind<T> {
    /// Finds a property by its name, in any letter case. `option` begins the error message.
    ///
    /// # Errors
    /// Returns an error if there is no such property, or if the caller may not read it.
    pub(crate) fn property(&self, name: &str, option: &str) -> Result<&'static Property<T>, Denial> {
        let found = self
            .properties
            .iter()
            .find(|property| property.name.eq_ignore_ascii_case(name));
        if found.is_some_and(|property| property.is_denied) {
            return Err(Denial::privileges());
        }
        found.ok_or_else(|| {
            let base = name.split(['/', '.']).next().unwrap_or_default();
            let is_known = |known: &str| base.eq_ignore_ascii_case(known);
            if self.absent.iter().any(|known| is_known(known))
                || (base.len() < name.len() && self.properties.iter().any(|property| is_known(property.name)))
            {
                let names: Vec<&str> = self.properties.iter().map(|property| property.name).collect();
                return Denial::not_emulated(format_args!(
                    "'{}' in a query on {}: the properties are {}",
                    shown(name),
                    self.set,
                    names.join(", ")
                ));
            }
            Denial::malformed(format!(
                "{option}: Could not find a property named '{}' on type 'microsoft.graph.{}'.",
                shown(name),
                self.entity
            ))
        })
    }
}
