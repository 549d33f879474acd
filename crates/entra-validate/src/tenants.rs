//! The tenants whose tokens a web API accepts.

use std::collections::BTreeSet;

use entra_proto::Guid;

/// The tenants whose tokens a web API accepts, by their IDs.
///
/// ```
/// use entra_validate::Tenants;
///
/// let contoso = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let fabrikam = "bbbbcccc-1111-dddd-2222-eeee3333ffff".parse()?;
/// assert!(Tenants::any_of([contoso, fabrikam]).accepts(contoso));
/// assert!(!Tenants::One(contoso).accepts(fabrikam));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tenants {
    /// One tenant: the API's own, as a rule. Its keys come from the tenant's own metadata.
    One(Guid),
    /// Each of these tenants. An empty set is an error of [`Api::new`](crate::Api::new).
    AnyOf(BTreeSet<Guid>),
    /// Every tenant of the cloud, and personal accounts where the registration of the API admits
    /// them. The API has to decide by the tenant of the [`Principal`](crate::Principal) what may be
    /// seen: a client can get such a token in a tenant of its own.
    Any,
}

impl Tenants {
    /// Each of these tenants.
    #[must_use]
    pub fn any_of(tenants: impl IntoIterator<Item = Guid>) -> Self {
        Self::AnyOf(tenants.into_iter().collect())
    }

    /// Whether tokens of this tenant are accepted.
    #[must_use]
    pub fn accepts(&self, tenant: Guid) -> bool {
        match self {
            Self::One(one) => *one == tenant,
            Self::AnyOf(some) => some.contains(&tenant),
            Self::Any => true,
        }
    }
}
