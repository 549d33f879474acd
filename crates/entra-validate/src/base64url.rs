//! Base64url without padding (RFC 7515, section 2).
//!
//! Apart from the signature, decoding was half of the cost of a validation. So it uses vector
//! instructions if the processor has them. Both engines accept the same texts.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::sync::LazyLock;

use base64::Engine as _;

/// Decodes a text into `bytes`, whose content it replaces. Returns `None` if the text is not
/// base64url without padding.
pub(crate) fn decode_into<'b>(text: &str, bytes: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    bytes.clear();
    ENGINE.decode_vec(text, bytes).ok()?;
    Some(bytes)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static ENGINE: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: base64::engine::GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// Vector instructions decode blocks of many bytes, and the rest one by one.
    #[test]
    fn decoding_agrees_with_the_plain_engine() {
        let mut bytes = b"from before".to_vec();
        for length in 0..300 {
            let text = "Az09-_".repeat(50)[..length].to_owned();
            let expected = URL_SAFE_NO_PAD.decode(&text).ok();
            assert_eq!(decode_into(&text, &mut bytes), expected.as_deref(), "{length}");
        }
        for wrong in ["+", "/", "=", "\0", ".", "\u{e9}", "\n"] {
            for at in 0..200 {
                let mut text = "A".repeat(200);
                text.replace_range(at..=at, wrong);
                assert_eq!(decode_into(&text, &mut bytes), None, "{wrong:?} at {at}");
            }
        }
    }
}
