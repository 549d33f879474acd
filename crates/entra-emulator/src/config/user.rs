//! The users of a tenant.

use std::time::SystemTime;

use serde::Deserialize;

/// A user of a tenant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct User {
    /// The object ID (GUID); derived from the seed when empty.
    pub id: String,
    /// The full name.
    pub display_name: String,
    /// The given name; the first word of the full name when left out.
    pub given_name: Option<String>,
    /// The family name; the rest of the full name when left out.
    pub surname: Option<String>,
    /// The sign-in name; `{first word of the name}@{domain}` in lower case when empty.
    pub user_principal_name: String,
    /// The email address; the sign-in name when left out.
    pub mail: Option<String>,
    /// The mail alias; the part of the sign-in name before the `@` when left out.
    pub mail_nickname: Option<String>,
    /// The type, `Member` or `Guest`; `Member` when left out.
    pub user_type: Option<UserType>,
    /// True if the user may sign in, which is the default.
    pub account_enabled: Option<bool>,
    /// The time at which the user was created.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub created_date_time: Option<SystemTime>,
    /// The company, if any.
    pub company_name: Option<String>,
    /// The department, if any.
    pub department: Option<String>,
    /// The employee ID, if any.
    pub employee_id: Option<String>,
    /// The job title, if any.
    pub job_title: Option<String>,
    /// The mobile phone number, if any.
    pub mobile_phone: Option<String>,
    /// The office, if any.
    pub office_location: Option<String>,
    /// The country (ISO 3166, two letters) in which the user uses services, if any.
    pub usage_location: Option<String>,
    /// The agent identity (name or client ID) whose user account this is. No person can sign in
    /// as the user. In a built emulator, it is a client ID.
    pub agent: Option<String>,
    /// True for an administrator, who may consent for the whole tenant.
    pub admin: bool,
}

/// The relation of a user to the tenant.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserType {
    /// A user of the organization.
    Member,
    /// A user of another organization.
    Guest,
}

impl User {
    /// Returns a user with this name.
    pub fn new(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            ..Self::default()
        }
    }

    /// Sets the object ID (GUID).
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Sets the sign-in name.
    pub fn user_principal_name(self, name: impl Into<String>) -> Self {
        Self {
            user_principal_name: name.into(),
            ..self
        }
    }

    /// Makes it the user account of this agent identity (name or client ID).
    pub fn agent(self, agent: impl Into<String>) -> Self {
        Self {
            agent: Some(agent.into()),
            ..self
        }
    }

    /// Makes the user an administrator.
    pub fn admin(self) -> Self {
        Self { admin: true, ..self }
    }

    /// Returns the given name and the family name.
    pub(crate) fn names(&self) -> (&str, &str) {
        let (given, family) = self.display_name.split_once(' ').unwrap_or((&self.display_name, ""));
        (
            self.given_name.as_deref().unwrap_or(given),
            self.surname.as_deref().unwrap_or(family),
        )
    }

    pub(crate) fn address(&self) -> &str {
        self.mail.as_deref().unwrap_or(&self.user_principal_name)
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.account_enabled != Some(false)
    }
}
