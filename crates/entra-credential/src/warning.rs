//! Warnings about a certificate.

use std::fmt;
use std::time::Duration;

use entra_proto::Timestamp;

use crate::MIN_KEY_BITS;

/// A problem of a certificate that is worth a line in a log. The certificate can be used anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The certificate has expired: Entra will reject it.
    Expired {
        /// The time since it expired.
        since: Duration,
    },
    /// The certificate expires within 30 days.
    ExpiresSoon {
        /// The time until it expires.
        within: Duration,
    },
    /// The certificate is not valid yet: Entra will reject it, unless the clock is wrong.
    NotYetValid {
        /// The time until it becomes valid.
        until: Duration,
    },
    /// The PFX file has no MAC, so that a change would not be noticed.
    IntegrityNotProtected,
    /// Entra does not accept the key of the certificate: it is not an RSA key, or too short.
    KeyNotAccepted,
}

impl Warning {
    /// Returns advice about the warning.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Expired { .. } | Self::ExpiresSoon { .. } => "register a new certificate",
            Self::NotYetValid { .. } => "check the clock, or wait",
            Self::IntegrityNotProtected => "export it with a password",
            Self::KeyNotAccepted => "create a new certificate",
        }
    }

    pub(crate) fn of_validity(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> Vec<Self> {
        let mut warnings = Vec::new();
        if now < not_before {
            warnings.push(Self::NotYetValid {
                until: not_before.since(now),
            });
        }
        if now > not_after {
            warnings.push(Self::Expired {
                since: now.since(not_after),
            });
        } else if not_after.since(now) <= SOON {
            warnings.push(Self::ExpiresSoon {
                within: not_after.since(now),
            });
        }
        warnings
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { since } => write!(f, "the certificate expired {} ago", Days(*since)),
            Self::ExpiresSoon { within } => write!(f, "the certificate expires in {}", Days(*within)),
            Self::NotYetValid { until } => write!(f, "the certificate is not valid for another {}", Days(*until)),
            Self::IntegrityNotProtected => {
                f.write_str("the PFX file has no MAC, so that a change to it would not be noticed")
            }
            Self::KeyNotAccepted => write!(
                f,
                "the certificate is not for an RSA key of {MIN_KEY_BITS} bits or more, and Entra accepts no other"
            ),
        }
    }
}

/// Returns a duration as text, rounded: in hours up to two days, then in days.
struct Days(Duration);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0..3600 => f.write_str("less than an hour"),
            seconds @ 3600..172_800 => match (seconds + 1800) / 3600 {
                1 => f.write_str("1 hour"),
                hours => write!(f, "{hours} hours"),
            },
            seconds => write!(f, "{} days", (seconds + 43_200) / 86_400),
        }
    }
}

/// The time before the end of a certificate at which the warning begins: 30 days.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_certificate_is_told() {
        let day = |day: u64| Timestamp::from_secs(day * 86_400);
        let of = |now| Warning::of_validity(day(100), day(200), now);
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(of(day(99)), [Warning::NotYetValid { until: days(1) }]);
        assert_eq!(of(day(100)), []);
        assert_eq!(of(day(169)), []);
        assert_eq!(of(day(170)), [Warning::ExpiresSoon { within: days(30) }]);
        assert_eq!(of(day(200)), [Warning::ExpiresSoon { within: days(0) }]);
        assert_eq!(of(day(201)), [Warning::Expired { since: days(1) }]);
    }

    #[test]
    fn durations_read_well() {
        let text = |seconds: u64| Days(Duration::from_secs(seconds)).to_string();
        const HOUR: u64 = 3600;
        assert_eq!(text(HOUR - 1), "less than an hour");
        assert_eq!(text(HOUR), "1 hour");
        assert_eq!(text(23 * HOUR), "23 hours");
        assert_eq!(text(48 * HOUR - 1), "48 hours");
        assert_eq!(text(48 * HOUR), "2 days");
        assert_eq!(text(120 * HOUR - 1), "5 days");
    }
}
