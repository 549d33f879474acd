//! The agents that an API accepts, and the numbers that describe identities in a token.

/// The policy of an API for agent identities: the [`Principal::Agent`](crate::Principal::Agent)
/// among its callers.
///
/// ```
/// use entra_validate::{Agents, Api, Audience, Permissions, Tenants};
///
/// let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let permissions = Permissions::any_of(["Orders.Read"], ["Orders.Read.All"])?;
/// let api = Api::new(audience, Tenants::One(tenant), permissions)?;
///
/// // Only people and applications may place orders.
/// let api = api.with_agents(Agents::Reject);
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Agents {
    /// Agents are accepted as other callers are: with the required permissions.
    #[default]
    Accept,
    /// Agents are rejected, whatever permissions they have.
    Reject,
    /// Only agents are accepted.
    Require,
}

impl Agents {
    /// Returns whether the policy accepts a caller.
    pub(crate) fn accept(self, is_agent: bool) -> bool {
        match self {
            Self::Accept => true,
            Self::Reject => !is_agent,
            Self::Require => is_agent,
        }
    }
}

/// A set of numbers below 64, as tokens list them: in any order, separated by spaces. Other numbers
/// are unknown to this crate, and omitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(u64);

impl Numbers {
    /// Reads decimal numbers without a sign and without leading zeros. Omits other words.
    pub(crate) fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers = Self::default();
        for word in words {
            let is_canonical =
                word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
            if let Ok(number) = word.parse() {
                numbers.insert_if(is_canonical, number);
            }
        }
        numbers
    }

    /// Reads one number of JSON. Omits it if it is not a whole one.
    pub(crate) fn of_number(number: f64) -> Self {
        let mut numbers = Self::default();
        let whole = number as u8;
        numbers.insert_if(f64::from(whole) == number, whole);
        numbers
    }

    fn insert_if(&mut self, is_valid: bool, number: u8) {
        if is_valid && number < 64 {
            self.0 |= 1 << number;
        }
    }

    pub(crate) fn contains(self, number: u8) -> bool {
        number < 64 && self.0 & (1 << number) != 0
    }

    /// Returns the numbers in ascending order.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |number| self.contains(*number))
    }
}

/// The number of an agent identity.
pub(crate) const AGENT_IDENTITY: u8 = 11;

/// The number of the user account of an agent identity.
pub(crate) const AGENT_USER: u8 = 13;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_words_are_omitted() {
        let numbers = Numbers::of(
            [
                "0",
                "7",
                "63",
                "64",
                "255",
                "99999999999",
                "08",
                "+9",
                "-10",
                "5.0",
                "",
                "x",
            ]
            .into_iter(),
        );
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [0, 7, 63]);
        for other in [-1.0, 11.5, 64.0, 1e30, f64::NAN, f64::INFINITY] {
            assert_eq!(Numbers::of_number(other), Numbers::default(), "{other}");
        }
        assert!(Numbers::of_number(11.0).contains(11) && !Numbers::default().contains(200));
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(
            mut numbers in proptest::collection::vec(0_u8..64, 0..12),
            at in any::<prop::sample::Index>(),
        ) {
            let of = |numbers: &[u8]| {
                let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                Numbers::of(words.iter().map(String::as_str))
            };
            let set = of(&numbers);
            for number in 0..64 {
                prop_assert_eq!(set.contains(number), numbers.contains(&number));
            }
            if let Some(repeated) = numbers.get(at.index(numbers.len().max(1))).copied() {
                numbers.push(repeated);
            }
            numbers.reverse();
            prop_assert_eq!(of(&numbers), set);
        }
    }
}
