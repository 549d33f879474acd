//! The parameters by which a request changes the settings of an API, and where they are allowed.

use entra_proto::agents::AgentUser;
use entra_proto::claims::ClaimsRequest;
use entra_proto::{ClientId, Guid};
use http::StatusCode;

use super::api::{ApiScopes, DownstreamApi, extra_header};
use super::header;
use super::problem::Problem;
use super::url::RelativePath;
use crate::identity::Choice;
use crate::query::Query;

/// The routes whose requests may change the settings of an API: its scopes, path, method and
/// headers, and the identity and tenant of the token. No request changes the base URL.
///
/// It corresponds to `Sidecar:AllowOverrides` in the configuration of Microsoft's sidecar. By
/// default, the routes for callers with a token allow it, and the others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllowOverrides {
    /// `GET /AuthorizationHeader/{api}`. True by default.
    pub get_authorization_header: bool,
    /// `GET /AuthorizationHeaderUnauthenticated/{api}`. False by default.
    pub get_authorization_header_unauthenticated: bool,
    /// `POST /DownstreamApi/{api}`. True by default.
    pub call_downstream_api: bool,
    /// `POST /DownstreamApiUnauthenticated/{api}`. False by default.
    pub call_downstream_api_unauthenticated: bool,
}

impl Default for AllowOverrides {
    fn default() -> Self {
        Self {
            get_authorization_header: true,
            get_authorization_header_unauthenticated: false,
            call_downstream_api: true,
            call_downstream_api_unauthenticated: false,
        }
    }
}

/// What a request wants of an API, after its parameters.
pub(super) struct Wanted {
    /// The API with the changed settings.
    pub(super) api: DownstreamApi,
    /// The agent identity that the token is for.
    pub(super) agent: Option<ClientId>,
    /// The agent's user account that the token is for.
    pub(super) agent_user: Option<AgentUser>,
    /// True if the request names the tenant.
    pub(super) names_tenant: bool,
    pub(super) force_refresh: bool,
    pub(super) claims: Option<ClaimsRequest>,
    /// The ID of the operation that the request is part of, for logs.
    pub(super) correlation_id: Option<Guid>,
    /// True if parameters were ignored, because the route does not allow them.
    pub(super) has_ignored: bool,
}

impl Wanted {
    /// Reads the parameters of a request for an API.
    ///
    /// Where overrides are not allowed they are ignored, except those that name another party: a
    /// program that asks for an agent's token must not get that of the application.
    ///
    /// # Errors
    /// Returns an error if a parameter is not valid, contradicts another, or is not allowed.
    pub(super) fn read(api: DownstreamApi, query: &Query<'_>, is_allowed: bool) -> Result<Self, Problem> {
        let mut wanted = Self {
            api,
            agent: None,
            agent_user: None,
            names_tenant: false,
            force_refresh: false,
            claims: None,
            correlation_id: None,
            has_ignored: false,
        };
        let mut scopes = Vec::new();
        let mut agent_user_id = None;
        let mut seen = Vec::new();
        for (name, value) in query.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let lower = name.to_ascii_lowercase();
            let setting = match lower.strip_prefix(OVERRIDE) {
                None if !lower.starts_with("agent") => continue,
                None => &*lower,
                // The address of an API is that of the settings, whatever the request says.
                Some("baseurl") => {
                    wanted.has_ignored = true;
                    continue;
                }
                Some(setting) => setting,
            };
            if !is_allowed {
                if PARTIES.contains(&setting) {
                    return Err(not_allowed(name));
                }
                wanted.has_ignored = true;
                continue;
            }
            if setting == "scopes" {
                scopes.push(value);
                continue;
            }
            if seen.contains(&lower) {
                return Err(Problem::bad_request(format!("the parameter {name} occurs twice")));
            }
            match setting {
                "agentidentity" => wanted.agent = Some(parsed(name, value)?),
                "agentusername" => wanted.agent_user = Some(AgentUser::name(value).map_err(|_| not_valid(name))?),
                "agentuserid" => agent_user_id = Some(AgentUser::object_id(parsed(name, value)?)),
                _ => wanted.set(setting, value, name)?,
            }
            seen.push(lower);
        }
        if !scopes.is_empty() {
            let scopes = ApiScopes::parse(scopes).map_err(|problem| invalid("optionsOverride.Scopes", &problem))?;
            wanted.api.token.scopes = Some(scopes);
        }
        // The name counts if there is also an ID, as in Microsoft's sidecar.
        wanted.agent_user = wanted.agent_user.or(agent_user_id);
        if wanted.agent_user.is_some() && wanted.agent.is_none() {
            return Err(Problem::bad_request(
                "AgentUsername and AgentUserId need AgentIdentity: the agent that the user belongs to",
            ));
        }
        if wanted.api.token.fmi_path.is_some() && wanted.agent.is_some() {
            return Err(Problem::bad_request("FmiPath and AgentIdentity name two identities"));
        }
        Ok(wanted)
    }

    /// Changes one setting. Unknown ones are ignored: later versions of clients may send them.
    fn set(&mut self, setting: &str, value: &str, name: &str) -> Result<(), Problem> {
        let problem = |problem: header::Problem| invalid(name, &problem);
        let token = &mut self.api.token;
        let call = &mut self.api.call;
        match setting {
            // As in Microsoft's sidecar, a request cannot take this back.
            "requestapptoken" => token.is_app_token |= flag(name, value)?,
            "relativepath" => call.relative_path = RelativePath::parse(value).map_err(problem)?,
            "httpmethod" => call.method = header::method(value).map_err(problem)?,
            "contenttype" => call.content_type = Some(header::value(value).map_err(problem)?),
            "acceptheader" => call.accept = Some(header::value(value).map_err(problem)?),
            "acquiretokenoptions.tenant" => {
                token.tenant = Some(parsed(name, value)?);
                self.names_tenant = true;
            }
            "acquiretokenoptions.forcerefresh" => self.force_refresh = flag(name, value)?,
            "acquiretokenoptions.claims" => {
                self.claims = Some(ClaimsRequest::parse(value).map_err(|error| invalid(name, &error.to_string()))?);
            }
            "acquiretokenoptions.correlationid" => self.correlation_id = Some(parsed(name, value)?),
            "acquiretokenoptions.fmipath" => token.fmi_path = Some(value.to_owned()),
            "acquiretokenoptions.managedidentity.userassignedclientid" => {
                token.identity = Choice::ClientId(parsed(name, value)?);
                token.is_app_token = true;
            }
            "acquiretokenoptions.poppublickey" | "acquiretokenoptions.longrunningwebapisessionkey" => {
                return Err(Problem::bad_request(format!("{name} is not supported here")));
            }
            _ => {
                if let Some(header) = setting.strip_prefix("extraheaderparameters.") {
                    let (header, value) = extra_header(header, value).map_err(problem)?;
                    call.headers.insert(header, value);
                } else if setting.starts_with(QUERY) {
                    // Its name keeps its case.
                    let parameter = &name[OVERRIDE.len() + QUERY.len()..];
                    call.query.retain(|(own, _)| own != parameter);
                    call.query.push((parameter.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(())
    }
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Problem> {
    value.trim().parse().map_err(|_| not_valid(name))
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    parsed(name, &value.to_ascii_lowercase())
}

fn not_valid(name: &str) -> Problem {
    Problem::bad_request(format!("the parameter {name} is not valid"))
}

fn invalid(name: &str, problem: &str) -> Problem {
    Problem::bad_request(format!("the parameter {name} is not valid: {problem}"))
}

fn not_allowed(name: &str) -> Problem {
    let detail = format!("the parameter {name} is not allowed on this route; allow overrides for it in the settings");
    Problem::new(StatusCode::FORBIDDEN, detail)
}

const OVERRIDE: &str = "optionsoverride.";
const QUERY: &str = "extraqueryparameters.";

/// The parameters that name the party that a token is for.
const PARTIES: [&str; 6] = [
    "agentidentity",
    "agentusername",
    "agentuserid",
    "acquiretokenoptions.tenant",
    "acquiretokenoptions.fmipath",
    "acquiretokenoptions.managedidentity.userassignedclientid",
];
