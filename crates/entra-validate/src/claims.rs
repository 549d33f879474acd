//! The claims that the rules read.

use entra_proto::{EndpointVersion, Guid, Timestamp};

use crate::agents::{AGENT_IDENTITY, AGENT_USER, Numbers};
use crate::issuer::canonical_guid;
use crate::object::{Name, Record, Value};
use crate::words::Words;

/// A member of an object, which may be missing or malformed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Member<T> {
    #[default]
    Absent,
    Malformed,
    Is(T),
}

impl<T> Member<T> {
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }

    pub(crate) fn into_value(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }

    /// Returns a text that `read` accepts, and `Malformed` for anything else.
    pub(crate) fn text(value: Value<'_>, read: impl FnOnce(&str) -> Option<T>) -> Self {
        match value {
            Value::Text(text) => read(&text).map_or(Self::Malformed, Self::Is),
            Value::Number(_) | Value::Words(_) | Value::Other => Self::Malformed,
        }
    }
}

/// The claims that the rules read (the Entra documents' "Access token claims reference").
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) iss: Member<Box<str>>,
    pub(crate) aud: Member<Box<str>>,
    pub(crate) tid: Member<Guid>,
    pub(crate) ver: Member<EndpointVersion>,
    pub(crate) oid: Member<Guid>,
    /// A GUID only in tokens without a user.
    pub(crate) sub: Member<Guid>,
    pub(crate) azp: Member<Guid>,
    pub(crate) appid: Member<Guid>,
    pub(crate) idtyp: Member<IdType>,
    pub(crate) scp: Member<Box<str>>,
    pub(crate) roles: Member<Words>,
    pub(crate) exp: Member<Timestamp>,
    pub(crate) nbf: Member<Timestamp>,
    pub(crate) iat: Member<Timestamp>,
    /// True if there is `cnf`, the key that the token is bound to.
    pub(crate) is_bound: bool,
    /// `xms_cc`: the capabilities of the client.
    pub(crate) capabilities: Words,
    /// `acrs`: the authentication contexts.
    pub(crate) contexts: Words,
    /// `xms_act_fct`: the kinds of the actor.
    pub(crate) actor: Numbers,
    /// `xms_sub_fct`: the kinds of the subject.
    pub(crate) subject: Numbers,
    /// `xms_idrel`: the relations of the subject to the tenant.
    pub(crate) relations: Numbers,
    /// `xms_par_app_azp`: the blueprint of an agent.
    pub(crate) blueprint: Option<Guid>,
}

/// `idtyp`: the type of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdType {
    App,
    User,
    Other,
}

impl Claims {
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = self.scp.value().map_or("", |scopes| scopes);
        scopes.split(' ').filter(|scope| !scope.is_empty())
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.value().into_iter().flat_map(Words::iter)
    }

    /// Returns true if an agent identity requested the token, or the subject is an agent's.
    pub(crate) fn are_of_agent(&self) -> bool {
        [self.actor, self.subject]
            .into_iter()
            .any(|kinds| kinds.contains(AGENT_IDENTITY) || kinds.contains(AGENT_USER))
    }

    pub(crate) fn roles_are_empty(&self) -> bool {
        self.roles.value().is_none_or(Words::is_empty)
    }
}

impl Record for Claims {
    const NAMES: &'static [Name] = &[
        Name::new("iss"),
        Name::new("aud"),
        Name::new("tid"),
        Name::new("ver"),
        Name::new("oid"),
        Name::new("sub"),
        Name::new("azp"),
        Name::new("appid"),
        Name::new("idtyp"),
        Name::new("scp"),
        Name::new("roles"),
        Name::new("exp"),
        Name::new("nbf"),
        Name::new("iat"),
        Name::new("cnf"),
        Name::new("xms_cc"),
        Name::new("acrs"),
        Name::new("xms_act_fct"),
        Name::new("xms_sub_fct"),
        Name::new("xms_par_app_azp"),
        Name::new("xms_idrel"),
    ];

    fn set(&mut self, name: usize, value: Value<'_>) {
        let owned = |text: &str| Some(text.into());
        match name {
            0 => self.iss = Member::text(value, owned),
            1 => self.aud = Member::text(value, owned),
            2 => self.tid = Member::text(value, canonical_guid),
            3 => {
                self.ver = Member::text(value, |ver| match ver {
                    "1.0" => Some(EndpointVersion::V1),
                    "2.0" => Some(EndpointVersion::V2),
                    _ => None,
                });
            }
            4 => self.oid = Member::text(value, canonical_guid),
            5 => self.sub = Member::text(value, canonical_guid),
            6 => self.azp = Member::text(value, canonical_guid),
            7 => self.appid = Member::text(value, canonical_guid),
            8 => {
                self.idtyp = Member::text(value, |idtyp| {
                    Some(match idtyp {
                        "app" => IdType::App,
                        "user" => IdType::User,
                        _ => IdType::Other,
                    })
                });
            }
            9 => self.scp = Member::text(value, |scp| is_list_of_scopes(scp).then(|| scp.into())),
            10 => {
                self.roles = match value {
                    Value::Words(roles) => Member::Is(roles),
                    Value::Text(_) | Value::Number(_) | Value::Other => Member::Malformed,
                };
            }
            11 => self.exp = moment(&value),
            12 => self.nbf = moment(&value),
            13 => self.iat = moment(&value),
            14 => self.is_bound = true,
            15 => self.capabilities = list(value),
            16 => self.contexts = list(value),
            17 => self.actor = numbers(&value),
            18 => self.subject = numbers(&value),
            19 => self.blueprint = Member::text(value, canonical_guid).into_value(),
            _ => self.relations = numbers(&value),
        }
    }
}

/// Reads a NumericDate (RFC 7519, section 2), which may have a fraction.
fn moment(value: &Value<'_>) -> Member<Timestamp> {
    match value {
        Value::Number(seconds) if (0.0..=LATEST).contains(seconds) => Member::Is(Timestamp::from_secs(*seconds as u64)),
        _ => Member::Malformed,
    }
}

/// Reads a list, which is an array in some tokens, and one string with spaces in others.
fn list(value: Value<'_>) -> Words {
    match value {
        Value::Words(words) => words,
        Value::Text(text) => {
            let mut words = Words::default();
            for word in text.split_ascii_whitespace() {
                words.push(word);
            }
            words
        }
        Value::Number(_) | Value::Other => Words::default(),
    }
}

/// Returns true if the only white space is the space between scopes. Any other would make two names
/// look like one, or count as a scope.
fn is_list_of_scopes(scp: &str) -> bool {
    scp.chars()
        .all(|it| it == ' ' || !(it.is_whitespace() || it.is_control()))
}

/// Reads a set of numbers: one text, as documented. Lists and single numbers are read too, so that
/// an agent never passes for an application.
fn numbers(value: &Value<'_>) -> Numbers {
    match value {
        Value::Text(text) => Numbers::of(text.split_ascii_whitespace()),
        Value::Words(words) => Numbers::of(words.iter()),
        Value::Number(number) => Numbers::of_number(*number),
        Value::Other => Numbers::default(),
    }
}

/// The last second of the year 9999.
const LATEST: f64 = 253_402_300_799.0;
