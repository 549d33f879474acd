//! The stored form of a tenant: eight bytes of a digest, then JSON to which later versions may add.
//!
//! The digest covers the record's key and the JSON. It detects changes by a failing disk, for
//! example in the name of the cloud, which decides where a credential is sent.

use aws_lc_rs::digest;
use entra_proto::{ClientId, Cloud, Guid, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ConsentedTenant, TenantStoreError};

/// The key of the store's tables: the client ID, then the tenant ID.
pub(super) fn key(client_id: ClientId, tenant: Guid) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..16].copy_from_slice(client_id.guid().as_bytes());
    key[16..].copy_from_slice(tenant.as_bytes());
    key
}

/// Returns the application and the tenant of a key.
pub(super) fn names(key: &[u8; KEY]) -> (ClientId, Guid) {
    let half = |at: usize| Guid::from_bytes(key[at..at + 16].try_into().expect("a key has 32 bytes"));
    (half(0).into(), half(16))
}

/// A tenant, with the fields that a later version of this program added.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) tenant: ConsentedTenant,
    pub(super) later: Map<String, Value>,
}

impl Record {
    /// Reads the record under this key.
    pub(super) fn decode(key: &[u8; KEY], bytes: &[u8]) -> Result<Self, TenantStoreError> {
        let (client_id, tenant) = names(key);
        let unreadable = |why| TenantStoreError::Record { client_id, tenant, why };
        if bytes.len() > LONGEST {
            return Err(unreadable("is longer than any record"));
        }
        let (digest, json) = bytes
            .split_first_chunk()
            .filter(|(digest, json)| **digest == checksum(key, json))
            .ok_or_else(|| unreadable("is damaged"))?;
        let _: &[u8; DIGEST] = digest;
        let Wire {
            first_consented_at,
            consented_at,
            consented_by,
            cloud,
            granted,
            later,
        } = serde_json::from_slice(json).map_err(|_| unreadable("has another form"))?;
        let read = |text: String| Cloud::at(&text).or_else(|_| Cloud::loopback(&text));
        let cloud = cloud
            .map(read)
            .transpose()
            .map_err(|_| unreadable("names a cloud that cannot exist"))?;
        let tenant = ConsentedTenant {
            first_consented_at: Timestamp::from_secs(first_consented_at),
            consented_at: Timestamp::from_secs(consented_at),
            consented_by,
            cloud,
            granted,
            ..ConsentedTenant::new(client_id, tenant, Timestamp::default())
        };
        Ok(Self { tenant, later })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, TenantStoreError> {
        let tenant = &self.tenant;
        let wire = Wire {
            first_consented_at: tenant.first_consented_at.as_secs(),
            consented_at: tenant.consented_at.as_secs(),
            consented_by: tenant.consented_by.clone(),
            cloud: tenant.cloud.as_ref().map(|cloud| cloud.origin().to_owned()),
            granted: tenant.granted.clone(),
            later: self.later.clone(),
        };
        let mut bytes = vec![0; DIGEST];
        serde_json::to_writer(&mut bytes, &wire).map_err(|error| TenantStoreError::Other(error.into()))?;
        if bytes.len() > LONGEST {
            return Err(TenantStoreError::TooLarge {
                what: "the record of a tenant",
                limit: LONGEST,
            });
        }
        let digest = checksum(&key(tenant.client_id, tenant.tenant), &bytes[DIGEST..]);
        bytes[..DIGEST].copy_from_slice(&digest);
        Ok(bytes)
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    first_consented_at: u64,
    consented_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consented_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cloud: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    granted: Vec<String>,
    #[serde(flatten)]
    later: Map<String, Value>,
}

fn checksum(key: &[u8; KEY], json: &[u8]) -> [u8; DIGEST] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(key);
    context.update(json);
    let digest = context.finish();
    digest.as_ref()[..DIGEST].try_into().expect("SHA-256 gives 32 bytes")
}

/// The length of a key in bytes.
pub(super) const KEY: usize = 32;
/// The length of the digest in bytes.
const DIGEST: usize = 8;
/// The longest record in bytes: six bytes of JSON for each control character, and room for the
/// fields of later versions.
const LONGEST: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenants() -> impl Strategy<Value = ConsentedTenant> {
        let cloud = prop_oneof![
            Just(Cloud::Public),
            Just(Cloud::China),
            Just(Cloud::at("https://contoso.ciamlogin.com").unwrap()),
            Just(Cloud::loopback("http://127.0.0.1:8080").unwrap()),
        ];
        let ids = (any::<[u8; 16]>(), any::<[u8; 16]>());
        let rest = (
            any::<u64>(),
            any::<u64>(),
            proptest::option::of(any::<String>()),
            proptest::option::of(cloud),
            proptest::collection::vec(any::<String>(), 0..5),
        );
        (ids, rest).prop_map(
            |((client_id, tenant), (first, last, user, cloud, granted))| ConsentedTenant {
                first_consented_at: Timestamp::from_secs(first),
                consented_at: Timestamp::from_secs(last),
                consented_by: user,
                cloud,
                granted,
                ..ConsentedTenant::new(
                    Guid::from_bytes(client_id).into(),
                    Guid::from_bytes(tenant),
                    Timestamp::default(),
                )
            },
        )
    }

    fn sound(json: &[u8]) -> Vec<u8> {
        [checksum(&[1; KEY], json).as_slice(), json].concat()
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(tenant in tenants(), later in "[a-z]{1,8}", value in any::<i64>()) {
            let key = key(tenant.client_id, tenant.tenant);
            let later = Map::from_iter([(format!("later_{later}"), value.into())]);
            let record = Record { tenant, later };
            prop_assert_eq!(Record::decode(&key, &record.encode().unwrap()).unwrap(), record);
        }

        #[test]
        fn no_bytes_panic_the_decoder(bytes in any::<Vec<u8>>(), json in ".*") {
            let _ = Record::decode(&[1; KEY], &bytes);
            let _ = Record::decode(&[1; KEY], &sound(&bytes));
            let _ = Record::decode(&[1; KEY], &sound(json.as_bytes()));
        }

        #[test]
        fn a_changed_bit_is_found(tenant in tenants(), at in any::<proptest::sample::Index>()) {
            let key = key(tenant.client_id, tenant.tenant);
            let mut bytes = Record { tenant, later: Map::new() }.encode().unwrap();
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Record::decode(&key, &bytes).is_err());
        }
    }

    #[test]
    fn a_record_belongs_to_its_key() {
        let tenant = ConsentedTenant::new(
            Guid::from_bytes([1; 16]).into(),
            Guid::from_bytes([2; 16]),
            Timestamp::default(),
        );
        let bytes = Record {
            tenant,
            later: Map::new(),
        }
        .encode()
        .unwrap();
        assert!(Record::decode(&[1; KEY], &bytes).is_err());
    }

    #[test]
    fn what_is_of_another_form_is_unreadable() {
        let sound_and_right = sound(br#"{"first_consented_at":1,"consented_at":2,"more":[{}]}"#);
        assert_eq!(Record::decode(&[1; KEY], &sound_and_right).unwrap().later.len(), 1);
        for json in [
            r#"{"first_consented_at":1}"#,
            r#"{"first_consented_at":1,"consented_at":-1}"#,
            r#"{"first_consented_at":1,"consented_at":1,"cloud":"http://example.com"}"#,
            r#"{"first_consented_at":1,"consented_at":1,"granted":"a"}"#,
            "[]",
            "",
        ] {
            assert!(Record::decode(&[1; KEY], &sound(json.as_bytes())).is_err(), "{json}");
        }
        let json = r#"{"first_consented_at":1,"consented_at":2}"#;
        let padded = |length: usize| sound((json.to_owned() + &" ".repeat(length - json.len())).as_bytes());
        assert!(Record::decode(&[1; KEY], &padded(LONGEST - DIGEST)).is_ok());
        assert!(Record::decode(&[1; KEY], &padded(LONGEST - DIGEST + 1)).is_err());
    }
}
