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
    /// One tenant, usually that of the API. The keys come from the tenant's own metadata.
    One(Guid),
    /// These tenants. An empty set is an error of [`Api::new`](crate::Api::new).
    AnyOf(BTreeSet<Guid>),
    /// Every tenant of the cloud, and personal accounts if the registration of the API allows them.
    ///
    /// The API must decide by the tenant of the [`Principal`](crate::Principal) which data a caller
    /// may access: a client can get such a token in its own tenant.
    Any,
}

impl Tenants {
    /// Accepts each of these tenants.
    #[must_use]
    pub fn any_of(tenants: impl IntoIterator<Item = Guid>) -> Self {
        Self::AnyOf(tenants.into_iter().collect())
    }

    /// Returns true if tokens of this tenant are accepted.
    #[must_use]
    pub fn accepts(&self, tenant: Guid) -> bool {
        match self {
            Self::One(one) => *one == tenant,
            Self::AnyOf(some) => some.contains(&tenant),
            Self::Any => true,
        }
    }
}
