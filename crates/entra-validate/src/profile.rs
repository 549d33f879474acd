//! The expected profile of access tokens.

/// A profile of access tokens: the meaning of their claims.
///
/// RFC 9068 ("JSON Web Token (JWT) Profile for OAuth 2.0 Access Tokens") has requirements that
/// Entra does not meet. For each of them, this is the behavior of Entra and of this crate:
///
/// - `typ` is `at+jwt` (section 2.1): Entra sends `JWT`; `at+jwt` and a missing `typ` are accepted
///   as well. ID tokens are distinguished by their lack of `azp` and `appid`.
/// - `alg` is anything but `none`, and RS256 must be supported (section 2.1): only RS256.
/// - `client_id` is the client (section 2.2): `azp` in v2 tokens, `appid` in v1 tokens.
/// - `jti` is required (section 2.2): Entra sends `uti`, which is not read, because tokens may be
///   used more than once.
/// - `iat` is required (section 2.2): it is usually present, and not required.
/// - `aud` may be an array (RFC 7519, section 4.1.3): one string; an array is rejected.
/// - `scope` holds the scopes (section 2.2.3): `scp`, only for users.
/// - `roles`, `groups` and `entitlements` have the meaning of SCIM (section 2.2.3.1): `roles` are
///   app roles, which are the permissions of an application or the roles of a user in the API.
///   `groups` are not read.
/// - `auth_time`, `acr` and `amr` (section 2.2.1): `acrs` has the authentication contexts, see
///   [`Principal::auth_contexts`](crate::Principal::auth_contexts).
/// - `sub` is the client in tokens without a user (section 2.2): `sub` is the object ID of the
///   service principal. `idtyp` is `app` if the API's registration requests that claim.
/// - `iss` is exactly the issuer in the metadata (section 4): the same for one tenant. The metadata
///   for several tenants has `{tenantid}`, which the token's `tid` replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Tokens of Microsoft Entra, v1 and v2.
    #[default]
    Entra,
}
