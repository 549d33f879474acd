//! Bounded storage for records that clients can create.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The memory that a value occupies.
pub(crate) trait Weigh {
    /// Returns the bytes of its texts and an estimate for the rest.
    fn weight(&self) -> usize;
}

/// Values under unguessable names. The oldest values are dropped if there are too many or if their
/// total size is too large, because clients choose the size of some values.
pub(crate) struct Store<V> {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    count: u64,
    values: HashMap<String, Entry<V>>,
    by_age: BTreeMap<u64, String>,
}

struct Entry<V> {
    age: u64,
    /// Computed when the value was stored. Later changes are small.
    weight: usize,
    value: V,
}

impl<V: Weigh> Store<V> {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            bytes: 0,
            count: 0,
            values: HashMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// Stores a value under a new name and returns the name.
    pub(crate) fn add(&mut self, prefix: &str, value: V) -> String {
        let name = format!("{prefix}{}", secret());
        self.put(name.clone(), value);
        name
    }

    /// Stores a value under this name.
    pub(crate) fn put(&mut self, name: String, value: V) {
        self.take(&name);
        let weight = value.weight() + 2 * name.len();
        while self.values.len() >= self.most || self.bytes + weight > self.most_bytes {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            self.forget(&oldest);
        }
        self.count += 1;
        self.bytes += weight;
        self.by_age.insert(self.count, name.clone());
        let age = self.count;
        self.values.insert(name, Entry { age, weight, value });
    }

    /// Removes every value.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.most, self.most_bytes);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.values.get(name).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.values.get_mut(name).map(|entry| &mut entry.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.values.iter().map(|(name, entry)| (name.as_str(), &entry.value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.values_mut().map(|entry| &mut entry.value)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<V> {
        let entry = self.forget(name)?;
        self.by_age.remove(&entry.age);
        Some(entry.value)
    }

    fn forget(&mut self, name: &str) -> Option<Entry<V>> {
        let entry = self.values.remove(name)?;
        self.bytes -= entry.weight;
        Some(entry)
    }
}

/// Shows the number of values, never their names: those are codes and tokens.
impl<V> std::fmt::Debug for Store<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.values.len())
    }
}

/// Returns 43 characters of base64url with 256 bits from the system's generator. Unlike all other
/// generated values, they are not derived from the seed, because other web pages must not be able
/// to predict them.
pub(crate) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// Returns bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for i32 {
        fn weight(&self) -> usize {
            usize::try_from(*self).unwrap_or_default()
        }
    }

    #[test]
    fn oldest_values_are_dropped_beyond_the_byte_limit() {
        let mut store = Store::new(100, 1_000);
        for number in 0..50 {
            store.put(number.to_string(), 300);
            assert!(store.bytes <= 1_000 && store.values.len() <= 3);
        }
        assert_eq!((store.get("46"), store.get("47")), (None, Some(&300)));
        assert_eq!(store.take("48"), Some(300));
        store.put("48".to_owned(), 1);
        store.put("49".to_owned(), 2);
        assert_eq!((store.values.len(), store.by_age.len()), (3, 3));
        for name in ["47", "48", "49"] {
            store.take(name);
        }
        assert_eq!(store.bytes, 0);
        // A value that exceeds the limit is stored alone.
        store.put("large".to_owned(), 2_000);
        store.put("small".to_owned(), 1);
        assert_eq!((store.get("large"), store.get("small")), (None, Some(&1)));
    }

    #[test]
    fn oldest_values_are_dropped_beyond_the_count_limit() {
        let mut store = Store::new(3, 1_000);
        let names: Vec<String> = (0..5).map(|number| store.add("x", number)).collect();
        let entry: Vec<Option<&i32>> = names.iter().map(|name| store.get(name)).collect();
        assert_eq!(entry, [None, None, Some(&2), Some(&3), Some(&4)]);
        assert_eq!(store.take(&names[3]), Some(3));
        assert_eq!(store.take(&names[3]), None);
        store.put("a".to_owned(), 9);
        store.put("a".to_owned(), 8);
        assert_eq!((store.values.len(), store.by_age.len()), (3, 3));
        assert!(names[0].len() == 44 && names[0] != names[1]);
    }
}
