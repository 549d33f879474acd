//! State that strangers can make grow, kept within bounds.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Values under names that nobody can guess. Where there are too many, the oldest one is forgotten.
pub(crate) struct Store<V> {
    most: usize,
    count: u64,
    values: HashMap<String, (u64, V)>,
    by_age: BTreeMap<u64, String>,
}

impl<V> Store<V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            count: 0,
            values: HashMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// Keeps a value under a new name of its own.
    pub(crate) fn add(&mut self, prefix: &str, value: V) -> String {
        let name = format!("{prefix}{}", secret());
        self.put(name.clone(), value);
        name
    }

    /// Keeps a value under this name.
    pub(crate) fn put(&mut self, name: String, value: V) {
        self.take(&name);
        while self.values.len() >= self.most {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            self.values.remove(&oldest);
        }
        self.count += 1;
        self.by_age.insert(self.count, name.clone());
        self.values.insert(name, (self.count, value));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.values.get(name).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.values.get_mut(name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.values.iter().map(|(name, (_, value))| (name.as_str(), value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.values_mut().map(|(_, value)| value)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<V> {
        let (age, value) = self.values.remove(name)?;
        self.by_age.remove(&age);
        Some(value)
    }
}

/// How many there are, never their names: those are codes and tokens.
impl<V> std::fmt::Debug for Store<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.values.len())
    }
}

/// 43 characters of base64url with 256 bits from the system's generator: unlike everything else that is made up here,
/// not derived from the seed, since a page of somebody else's must not know it.
pub(crate) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// Bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way() {
        let mut store = Store::new(3);
        let names: Vec<String> = (0..5).map(|number| store.add("x", number)).collect();
        let kept: Vec<Option<&i32>> = names.iter().map(|name| store.get(name)).collect();
        assert_eq!(kept, [None, None, Some(&2), Some(&3), Some(&4)]);
        assert_eq!(store.take(&names[3]), Some(3));
        assert_eq!(store.take(&names[3]), None);
        store.put("a".to_owned(), 9);
        store.put("a".to_owned(), 8);
        assert_eq!((store.values.len(), store.by_age.len()), (3, 3));
        assert!(names[0].len() == 44 && names[0] != names[1]);
    }
}
