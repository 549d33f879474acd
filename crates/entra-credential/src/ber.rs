//! Conversion of BER to DER (X.690): some tools write PFX files with indefinite lengths and with
//! strings in segments.

use zeroize::Zeroizing;

use crate::der::{DerError, OCTET_STRING};

/// Converts the tags, lengths and OCTET STRINGs of the first element of `bytes` to DER. Returns the
/// element and the bytes after it. DER is returned unchanged.
pub(crate) fn to_der(bytes: &[u8]) -> Result<(Zeroizing<Vec<u8>>, &[u8]), DerError> {
    let mut der = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let rest = element(bytes, &mut der, DEEPEST)?;
    Ok((der, rest))
}

/// Writes the first element of `bytes`, and returns the bytes after it.
fn element<'a>(bytes: &'a [u8], der: &mut Zeroizing<Vec<u8>>, depth: usize) -> Result<&'a [u8], DerError> {
    let [tag, first, rest @ ..] = bytes else {
        return Err(DerError::Damaged);
    };
    if tag & 0x1f == 0x1f {
        return Err(DerError::Damaged);
    }
    let (length, rest) = match first {
        0x80 => (None, rest),
        0..0x80 => (Some(usize::from(*first)), rest),
        _ => {
            let (length, rest) = rest
                .split_at_checked(usize::from(first & 0x7f))
                .ok_or(DerError::Damaged)?;
            let number = length.iter().try_fold(0_usize, |number, byte| {
                number.checked_mul(256)?.checked_add(usize::from(*byte))
            });
            (Some(number.ok_or(DerError::Damaged)?), rest)
        }
    };
    if tag & CONSTRUCTED == 0 {
        let (value, rest) = rest
            .split_at_checked(length.ok_or(DerError::Damaged)?)
            .ok_or(DerError::Damaged)?;
        write(*tag, value, der);
        return Ok(rest);
    }
    let depth = depth.checked_sub(1).ok_or(DerError::Damaged)?;
    let (mut inside, behind) = match length {
        Some(length) => rest.split_at_checked(length).ok_or(DerError::Damaged)?,
        None => (rest, &rest[..0]),
    };
    // The size of an element with an indefinite length is unknown: the memory reserved for it is
    // cleared again, however little of it is used.
    let mut value = Zeroizing::new(Vec::with_capacity(length.unwrap_or_default()));
    let behind = loop {
        match (length, inside) {
            (Some(_), []) => break behind,
            (None, [0, 0, behind @ ..]) => break behind,
            _ => inside = element(inside, &mut value, depth)?,
        }
    };
    if *tag == OCTET_STRING | CONSTRUCTED {
        write(OCTET_STRING, &pieces(&value)?, der);
    } else {
        write(*tag, &value, der);
    }
    Ok(behind)
}

/// Returns the joined contents of consecutive OCTET STRINGs in DER.
pub(crate) fn pieces(mut elements: &[u8]) -> Result<Zeroizing<Vec<u8>>, DerError> {
    let mut whole = Zeroizing::new(Vec::with_capacity(elements.len()));
    while !elements.is_empty() {
        let mut der = crate::der::Der::new(elements);
        whole.extend_from_slice(der.value(OCTET_STRING)?);
        elements = der.rest();
    }
    Ok(whole)
}

fn write(tag: u8, value: &[u8], der: &mut Zeroizing<Vec<u8>>) {
    let room = value.len() + 1 + 9;
    if der.capacity() < der.len() + room {
        // A vector that grows by itself leaves a copy of its contents behind.
        let mut larger = Zeroizing::new(Vec::with_capacity((der.len() + room) * 2));
        larger.extend_from_slice(der);
        *der = larger;
    }
    der.push(tag);
    let length = value.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = length.get(zeros..).unwrap_or_default();
    match value.len() {
        short @ 0..0x80 => der.push(u8::try_from(short).unwrap_or_default()),
        _ => {
            der.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            der.extend_from_slice(length);
        }
    }
    der.extend_from_slice(value);
}

const CONSTRUCTED: u8 = 0x20;
/// The deepest nesting of elements. A PFX file has about ten levels.
const DEEPEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_definite_and_strings_whole() {
        for (ber, der) in [
            (&[0x30, 0x80, 2, 1, 7, 0, 0][..], &[0x30, 3, 2, 1, 7][..]),
            (&[0x30, 0x82, 0, 3, 2, 1, 7], &[0x30, 3, 2, 1, 7]),
            (&[0x24, 0x80, 4, 1, 1, 4, 2, 2, 3, 0, 0], &[4, 3, 1, 2, 3]),
            (&[0x24, 0x80, 0x24, 3, 4, 1, 1, 4, 1, 2, 0, 0], &[4, 2, 1, 2]),
            (&[0xa0, 0x80, 0x30, 0x80, 0, 0, 0, 0], &[0xa0, 2, 0x30, 0]),
        ] {
            let (converted, rest) = to_der(&[ber, &[9, 9]].concat())
                .map(|(der, rest)| (der, rest.to_vec()))
                .unwrap();
            assert_eq!((converted.as_slice(), rest.as_slice()), (der, &[9, 9][..]));
            assert_eq!(to_der(der).unwrap().0.as_slice(), der);
        }
        let long = [&[4, 0x81, 200][..], &[5; 200]].concat();
        assert_eq!(to_der(&long).unwrap().0.as_slice(), long);
    }

    #[test]
    fn what_is_neither_is_damaged() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x80, 2, 1, 7],
            &[0x30, 0x80, 2, 1, 7, 0],
            &[0x30, 4, 2, 1, 7],
            &[4, 0x80, 0, 0],
            &[0x24, 3, 2, 1, 7],
            &[0x3f, 0x80],
            &[0x30, 0xff, 1],
            &[0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x30, 0x80].repeat(100_000),
        ] {
            assert!(to_der(bytes).is_err());
        }
    }
}
