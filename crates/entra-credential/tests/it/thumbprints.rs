//! Known thumbprints, from the documents of Entra and from its libraries.

use entra_credential::Thumbprints;

#[test]
fn sha1_as_the_documents_write_it() {
    for (hex, x5t) in [
        (
            "84E05C1D98BCE3A5421D225B140B36E86A3D5534",
            "hOBcHZi846VCHSJbFAs26Go9VTQ",
        ),
        (
            "831F2D1B2B328DC46A2A314F9DDED1170BF0648D",
            "gx8tGysyjcRqKjFPnd7RFwvwZI0",
        ),
        (
            "6327EC8490B7ACF43E9291A8E5D51A898E6DDE25",
            "YyfshJC3rPQ-kpGo5dUaiY5t3iU",
        ),
        (
            "6182DE7D4B84517655FE0BFA97076890D66BF37A",
            "YYLefUuEUXZV_gv6lwdokNZr83o",
        ),
    ] {
        let thumbprints = Thumbprints::new(bytes(hex), [0; 32]);
        assert_eq!(
            (thumbprints.sha1_hex().as_str(), thumbprints.x5t().as_str()),
            (hex, x5t)
        );
    }
    // Not the text of the hexadecimal form, which is a mistake that has been made.
    let thumbprints = Thumbprints::new(bytes("89569B9E426F9C89F6BB112012CC54F92B1ADD0E"), [0; 32]);
    assert!(thumbprints.x5t().starts_with("iVabnkJvnIn2uxEgEsxU-S"));
}

#[test]
fn sha1_as_a_manifest_writes_it() {
    let thumbprints = Thumbprints::new(bytes("84E05C1D98BCE3A5421D225B140B36E86A3D5534"), [0; 32]);
    assert_eq!(thumbprints.custom_key_identifier(), "hOBcHZi846VCHSJbFAs26Go9VTQ=");
    let slashes = Thumbprints::new([0xff; 20], [0; 32]);
    assert_eq!(slashes.custom_key_identifier(), "//////////////////////////8=");
    assert_eq!(slashes.x5t(), "__________________________8");
}

#[test]
fn sha256_as_assertions_write_it() {
    let hex = "014811EFE8ED5FF69A576D84ACD47FDEAB37A47AAD27C039746E220E58BF93B1";
    let thumbprints = Thumbprints::new([0; 20], bytes(hex));
    assert_eq!(thumbprints.x5t_s256(), "AUgR7-jtX_aaV22ErNR_3qs3pHqtJ8A5dG4iDli_k7E");
    assert_eq!(thumbprints.sha256_hex(), hex);
}

#[test]
fn the_digests_are_those_of_the_bytes() {
    let thumbprints = Thumbprints::of(b"abc");
    assert_eq!(thumbprints.sha1_hex(), "A9993E364706816ABA3E25717850C26C9CD0D89D");
    assert_eq!(
        thumbprints.sha256_hex(),
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
    );
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
}
