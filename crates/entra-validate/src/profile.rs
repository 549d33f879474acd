//! The profile of access tokens that is expected.

/// A profile of access tokens: the meaning of their claims.
///
/// RFC 9068 ("JSON Web Token (JWT) Profile for OAuth 2.0 Access Tokens") asks for things that Entra
/// does not do. What is done instead:
///
/// | RFC 9068 | Entra, and this crate |
/// |---|---|
/// | `typ` is `at+jwt` (section 2.1) | `typ` is `JWT`; `at+jwt` and none are accepted as well. ID tokens are told apart by their lack of `azp` and `appid` |
/// | `alg` may be any but `none`, RS256 must be supported | RS256 only |
/// | `client_id` is the client (section 2.2) | `azp` in v2, `appid` in v1 |
/// | `jti` is required | `uti`, which is not read: tokens are not single use |
/// | `iat` is required | present as a rule, not required |
/// | `aud` may be an array (RFC 7519) | one string; an array is rejected |
/// | `scope` holds the scopes (section 2.2.3) | `scp`, for users only |
/// | `roles`, `groups`, `entitlements` as SCIM has them (section 2.2.3.1) | `roles` are app roles: an application's permissions, or the roles of a user in the API. `groups` are not read |
/// | `auth_time`, `acr`, `amr` (section 2.2.1) | `acrs` holds authentication contexts; see [`Principal::auth_contexts`](crate::Principal::auth_contexts) |
/// | `sub` is the client for tokens without a user (section 2.2) | `sub` is the object ID of the service principal; `idtyp` says `app` where the API's registration asks for that claim |
/// | the issuer is that of the metadata, exactly (section 4) | the same for one tenant; else the metadata has `{tenantid}` in its place, which the token's `tid` replaces |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Tokens of Microsoft Entra, v1 and v2.
    #[default]
    Entra,
}
