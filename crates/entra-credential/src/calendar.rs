//! Times in certificates.

use entra_proto::Timestamp;

/// Parses `YYYYMMDDHHMMSSZ`.
pub(crate) fn moment(text: &[u8; 15]) -> Option<Timestamp> {
    let mut digits = text.iter().map(|byte| char::from(*byte).to_digit(10).map(i64::from));
    let mut number = |length: usize| -> Option<i64> {
        let mut number = 0;
        for _ in 0..length {
            number = number * 10 + digits.next()??;
        }
        Some(number)
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let (hour, minute, second) = (number(2)?, number(2)?, number(2)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range || text.last() != Some(&b'Z') {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Returns the days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March, so
/// that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - DAYS_TO_1970
}

/// The days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_since_1970() {
        let secs = |text: &[u8; 15]| moment(text).map(Timestamp::as_secs);
        assert_eq!(secs(b"19700101000000Z"), Some(0));
        assert_eq!(secs(b"20000229235959Z"), Some(951_868_799));
        assert_eq!(secs(b"20261120120000Z"), Some(1_795_176_000));
        assert_eq!(secs(b"99991231235959Z"), Some(253_402_300_799));
        assert_eq!(secs(b"19500101000000Z"), Some(0));
        for bad in [
            b"20261320120000Z",
            b"20261100120000Z",
            b"20261120240000Z",
            b"2026112012000+Z",
            b"20261120120000+",
        ] {
            assert_eq!(secs(bad), None);
        }
    }

    #[test]
    fn written_time_parses_to_the_same_time() {
        for day in 0..200_000 {
            let secs = day * 86_400 + day % 86_400;
            let mut digits = Timestamp::from_secs(secs).to_rfc3339().into_bytes();
            digits.retain(|byte| byte.is_ascii_digit() || *byte == b'Z');
            let text: &[u8; 15] = digits.as_slice().try_into().unwrap();
            assert_eq!(moment(text), Some(Timestamp::from_secs(secs)));
        }
    }
}
