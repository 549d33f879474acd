//! Generated values, all derived from one number.

/// A small deterministic generator (SplitMix64): the same seed yields the same identifiers on every
/// machine.
///
/// Its values are no real secrets; an emulator's secrets only have to be distinct.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Creates the generator of one object, so that adding another object does not change its
    /// values.
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        // FNV-1a, which is stable across versions of the standard library, unlike its hashers.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut generator = Self::new(seed ^ hash);
        generator.next();
        generator
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.state)
    }

    /// Returns a version 4 GUID in lower case.
    pub(crate) fn guid(&mut self) -> String {
        let mut text = Vec::with_capacity(36);
        push_guid(&mut text, self);
        String::from_utf8(text).expect("hexadecimal digits and hyphens")
    }

    /// Returns a client secret of 40 characters from Entra's alphabet. It lacks the `8Q~` of real
    /// secrets, so that secret scanners do not report tests.
    pub(crate) fn secret(&mut self) -> String {
        format!("emulator~{}", self.text(31, SECRET_ALPHABET))
    }

    /// Returns random-looking base64url text, for claims that only the service can read.
    pub(crate) fn opaque(&mut self, length: usize) -> String {
        self.text(length, BASE64URL)
    }

    fn text(&mut self, length: usize, alphabet: &[u8; 64]) -> String {
        (0..length)
            .map(|_| char::from(alphabet[(self.next() & 63) as usize]))
            .collect()
    }
}

/// Appends the next GUID of a generator, see [`Generator::guid`].
pub(crate) fn push_guid(out: &mut Vec<u8>, generator: &mut Generator) {
    let high = (generator.next() & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (generator.next() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    for (half, hyphens) in [(high, [8, 12]), (low, [0, 4])] {
        for digit in 0..16 {
            if hyphens.contains(&digit) {
                out.push(b'-');
            }
            out.push(b"0123456789abcdef"[(half >> (60 - 4 * digit) & 15) as usize]);
        }
    }
}

/// Mixes a number into one that looks random (the last step of SplitMix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.~";

/// Returns true for a GUID in Entra's format: five groups of hexadecimal digits, separated by
/// hyphens.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_every_value() {
        let mut one = Generator::new(7);
        let mut two = Generator::new(7);
        assert_eq!(
            (one.guid(), one.secret(), one.opaque(9)),
            (two.guid(), two.secret(), two.opaque(9))
        );
        assert_ne!(Generator::new(7).guid(), Generator::new(8).guid());
        assert_ne!(Generator::named(7, "a").guid(), Generator::named(7, "b").guid());
    }

    #[test]
    fn guids_are_version_four() {
        let guid = Generator::new(1).guid();
        assert!(is_guid(&guid), "{guid}");
        assert_eq!(&guid[14..15], "4");
        assert!("89ab".contains(&guid[19..20]));
        assert_eq!(Generator::new(1).secret().len(), 40);
    }
}
