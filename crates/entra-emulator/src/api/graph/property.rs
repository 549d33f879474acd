//! Kinds of resources and their properties: what they hold, and what a query may do with them.

use serde_json::Value;

use crate::api::graph::denial::Denial;
use crate::exchange::shown;

/// A kind of resource, such as the users.
pub(crate) struct Kind<T: 'static> {
    /// The name of the collection in paths.
    pub(crate) set: &'static str,
    /// The name of its type, as in `microsoft.graph.user`.
    pub(crate) entity: &'static str,
    /// The name of its type in the directory, as in messages.
    pub(crate) resource: &'static str,
    pub(crate) properties: &'static [Property<T>],
    /// For a collection of several types: the members of one object, those of these names or those that its own type has by
    /// default.
    pub(crate) own_fields: Option<OwnFields<T>>,
    /// Properties that Graph has beside those, in lower case.
    pub(crate) absent: &'static [&'static str],
}

type OwnFields<T> = fn(&T, Option<&[&'static str]>) -> Vec<(&'static str, Value)>;

/// A property of a resource.
pub(crate) struct Property<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&T) -> Value,
    pub(crate) literals: Literals,
    /// Whether a response has it where the request does not select.
    pub(crate) is_default: bool,
    /// Whether the caller lacks the permission to name it in a query.
    pub(crate) is_denied: bool,
    /// For `eq` and `in`. `ne` and `not` always need an advanced query.
    pub(crate) equality: Support,
    /// For `ge` and `le`.
    pub(crate) range: Support,
    /// For `startsWith`.
    pub(crate) prefix: Support,
    /// For `endsWith`.
    pub(crate) suffix: Support,
    /// For `$orderby`.
    pub(crate) order: Support,
}

/// The literals of a property's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literals {
    /// In quotation marks.
    Text,
    Boolean,
    Time,
    /// A list of texts, which a filter compares with `any`.
    Texts,
}

/// Whether a query may use a property in some way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Yes,
    /// In advanced queries only.
    Advanced,
    /// Graph rejects it.
    No,
    /// Graph may support it, and the emulator does not.
    NotEmulated,
}

impl<T> Property<T> {
    /// A property that no query but `$select` may name.
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

    /// A text whose equality, range and prefix can be tested. It has no order.
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

    /// A Boolean whose equality can be tested.
    pub(crate) const fn boolean(name: &'static str, value: fn(&T) -> Value) -> Self {
        Self::text(name, value, Support::Yes, Support::No, Support::No).literals(Literals::Boolean)
    }

    /// A list of texts that can be searched for one of them.
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

    /// Makes it one that a response has only where the request selects it.
    pub(crate) const fn selected_only(self) -> Self {
        Self {
            is_default: false,
            ..self
        }
    }

    /// A property that the caller may not read: no query may name it, and a response has null for it.
    pub(crate) const fn denied(name: &'static str) -> Self {
        Self {
            is_denied: true,
            ..Self::new(name, |_| Value::Null)
        }
    }

    /// The value as filters compare and `$orderby` sorts it, without regard to case.
    pub(crate) fn key(&self, item: &T) -> Option<String> {
        match (self.value)(item) {
            Value::String(text) => Some(text.to_lowercase()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// Whether a list has an item with this text, which is in lower case.
    pub(crate) fn has(&self, item: &T, text: &str) -> bool {
        let value = (self.value)(item);
        let mut items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        items.any(|item| item.to_lowercase() == text)
    }
}

impl<T> Kind<T> {
    /// Finds a property by its name, in upper or lower case. `option` begins the message where there is none.
    ///
    /// # Errors
    /// Returns an error where there is none, and for one that the caller may not read.
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
