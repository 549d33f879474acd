//! An index of a directory's tenants by their names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::config::Tenant;
use crate::state::directory::names::{ciam_subdomain, first_label};

/// The positions of tenants in their list. If two tenants share a name, it stands for the first.
#[derive(Debug)]
pub(super) struct Index {
    /// Positions by ID and by domain, in lower case.
    names: BTreeMap<String, usize>,
    /// Positions by the subdomain of an external tenant's host name, in lower case: the first label
    /// of the domain, or the ID.
    customers: BTreeMap<String, usize>,
}

impl Index {
    pub(super) fn of(tenants: &[Tenant]) -> Self {
        let (mut names, mut customers) = (BTreeMap::new(), BTreeMap::new());
        for (position, Tenant { id, domain, .. }) in tenants.iter().enumerate() {
            for name in [id, domain] {
                names.entry(name.to_ascii_lowercase()).or_insert(position);
            }
            for name in [id, first_label(domain)] {
                customers.entry(name.to_ascii_lowercase()).or_insert(position);
            }
        }
        Self { names, customers }
    }

    /// Returns the position of the tenant with this ID, domain or external host name, ignoring
    /// case.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let named = self.names.get(&*name);
        let customer = ciam_subdomain(&name).and_then(|sub| self.customers.get(sub));
        named.into_iter().chain(customer).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_found_by_each_of_their_names() {
        let ids = [
            "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb",
            "cccccccc-1111-2222-3333-dddddddddddd",
        ];
        let index = Index::of(&[
            Tenant::new("Contoso.onmicrosoft.com").id(ids[0]),
            Tenant::new("fabrikam.ciamlogin.com").id(ids[1]),
            Tenant::new("contoso.example").id("eeeeeeee-1111-2222-3333-FFFFFFFFFFFF"),
        ]);
        for (name, position) in [
            (ids[0], Some(0)),
            (&ids[1].to_uppercase(), Some(1)),
            ("eeeeeeee-1111-2222-3333-ffffffffffff", Some(2)),
            ("CONTOSO.onmicrosoft.com", Some(0)),
            ("contoso.example", Some(2)),
            // The first of two tenants with this label.
            ("contoso.ciamlogin.com", Some(0)),
            ("Fabrikam.CiamLogin.com", Some(1)),
            (&format!("{}.ciamlogin.com", ids[0].to_uppercase()), Some(0)),
            ("contoso", None),
            ("", None),
            (".ciamlogin.com", None),
            ("x.contoso.ciamlogin.com", None),
            ("\u{e9}.ciamlogin.com", None),
        ] {
            assert_eq!(index.position(name), position, "{name:?}");
        }
    }
}
