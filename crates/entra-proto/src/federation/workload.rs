//! The workloads that assertions are issued for.

use std::fmt;

use super::{EntraSubject, GitHubContext, GitHubSubject};
use crate::cloud::Cloud;
use crate::guid::Guid;
use crate::printable::excerpt;

/// The workload that an assertion is issued for, as its issuer and subject name it.
///
/// `Display` describes it in one line for users. Nothing is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workload {
    /// A job of GitHub Actions.
    GitHubActions(GitHubSubject),
    /// An Azure pipeline, by the older issuer, which ends on 1 July 2027.
    AzurePipelines {
        /// The organization.
        organization: String,
        /// The project.
        project: String,
        /// The service connection or, if the task named none, the pipeline.
        name: String,
        /// `true` if the name is that of a service connection.
        is_connection: bool,
    },
    /// A workload that Entra names itself: an Azure pipeline, an agent identity.
    Entra(EntraSubject),
    /// A managed identity or another service principal of Entra.
    ServicePrincipal {
        /// Its tenant.
        tenant: Guid,
        /// Its object (principal) ID.
        object_id: Guid,
        /// `true` if the assertion names the resource of a managed identity.
        is_managed_identity: bool,
    },
    /// A pod of a Kubernetes cluster.
    Kubernetes {
        /// The namespace.
        namespace: String,
        /// The service account.
        account: String,
    },
    /// A job of GitLab CI.
    GitLab {
        /// The path of the project, with its groups.
        project: String,
        /// The kind of the reference: `branch` or `tag`.
        ref_type: String,
        /// The name of the branch or tag.
        reference: String,
    },
    /// A run of Terraform Cloud.
    TerraformCloud {
        /// The organization, project, workspace and phase of the run, unchanged.
        subject: String,
    },
    /// A service account of Google Cloud, by its number.
    Google {
        /// The number of the service account.
        account: String,
    },
    /// A workload with a SPIFFE ID.
    Spiffe {
        /// The SPIFFE ID.
        id: String,
    },
    /// A workload of an unknown platform.
    Other,
}

impl Workload {
    /// Recognizes a workload. `is_managed_identity` is about the other claims of the assertion.
    pub(super) fn of(issuer: &str, subject: &str, is_managed_identity: bool) -> Self {
        if let Some(tenant) = entra_tenant(issuer) {
            if let Ok(subject) = subject.parse() {
                return Self::Entra(subject);
            }
            if let Ok(object_id) = subject.parse() {
                return Self::ServicePrincipal {
                    tenant,
                    object_id,
                    is_managed_identity,
                };
            }
        } else if is_github(issuer) {
            if let Ok(subject) = subject.parse() {
                return Self::GitHubActions(subject);
            }
        } else if issuer.starts_with("https://vstoken.dev.azure.com/") {
            if let Some(pipeline) = azure_pipeline(subject) {
                return pipeline;
            }
        } else if matches!(issuer, "https://accounts.google.com" | "accounts.google.com") {
            return Self::Google {
                account: subject.to_owned(),
            };
        } else if let Some(workload) = kubernetes(subject).or_else(|| gitlab(subject)) {
            return workload;
        } else if subject.starts_with("organization:") && subject.contains(":run_phase:") {
            return Self::TerraformCloud {
                subject: subject.to_owned(),
            };
        } else if subject.starts_with("spiffe://") {
            return Self::Spiffe { id: subject.to_owned() };
        }
        Self::Other
    }

    /// Returns a claims matching expression that matches the same repository, project or workspace
    /// in every branch, environment and phase, if the issuer supports such expressions: GitHub,
    /// GitLab and Terraform Cloud.
    ///
    /// It is for a [`Registration`](super::Registration) with an expression, and it trusts more
    /// than the subject does: for a repository of GitHub, also its pull requests.
    #[must_use]
    pub fn expression(&self) -> Option<String> {
        let pattern = match self {
            Self::GitHubActions(subject) => format!("{}:*", subject.prefix()),
            Self::GitLab { project, .. } => format!("project_path:{project}:*"),
            Self::TerraformCloud { subject } => {
                let (workspace, _) = subject.rsplit_once(":run_phase:")?;
                format!("{workspace}:run_phase:*")
            }
            _ => return None,
        };
        // A quotation mark would end the pattern, and a wildcard of the subject would widen it.
        let is_literal = !pattern.contains(['\'', '?']) && pattern.matches('*').count() == 1;
        is_literal.then(|| format!("claims['sub'] matches '{pattern}'"))
    }

    /// Returns the words for the name of a federated credential.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::GitHubActions(subject) => {
                let context = match subject.context() {
                    GitHubContext::Ref(name) => name.trim_start_matches("refs/heads/").to_owned(),
                    GitHubContext::Environment(name) | GitHubContext::Other(name) => name.clone(),
                    GitHubContext::PullRequest => "pull-request".to_owned(),
                };
                vec![
                    "github".to_owned(),
                    subject.owner().to_owned(),
                    subject.repository().to_owned(),
                    context,
                ]
            }
            Self::AzurePipelines { project, name, .. } => {
                vec!["azure-pipelines".to_owned(), project.clone(), name.clone()]
            }
            Self::Entra(subject) => match subject.service_connection() {
                Some((_, connection)) => vec!["azure-pipelines".to_owned(), connection.to_string()],
                None => vec!["entra".to_owned(), subject.path().to_owned()],
            },
            Self::ServicePrincipal { object_id, .. } => vec!["managed-identity".to_owned(), object_id.to_string()],
            Self::Kubernetes { namespace, account } => {
                vec!["kubernetes".to_owned(), namespace.clone(), account.clone()]
            }
            Self::GitLab { project, reference, .. } => vec!["gitlab".to_owned(), project.clone(), reference.clone()],
            Self::TerraformCloud { subject } => vec!["terraform".to_owned(), subject.clone()],
            Self::Google { account } => vec!["google".to_owned(), account.clone()],
            Self::Spiffe { id } => vec!["spiffe".to_owned(), id.trim_start_matches("spiffe://").to_owned()],
            Self::Other => vec!["federated-credential".to_owned()],
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| excerpt(text, SHOWN);
        match self {
            Self::GitHubActions(subject) => {
                let (owner, repository) = (shown(subject.owner()), shown(subject.repository()));
                write!(f, "GitHub Actions, repository {owner}/{repository}")?;
                if let Some((owner_id, id)) = subject.ids() {
                    write!(f, " (owner ID {owner_id}, repository ID {id})")?;
                }
                match subject.context() {
                    GitHubContext::Ref(name) => {
                        match (name.strip_prefix("refs/heads/"), name.strip_prefix("refs/tags/")) {
                            (Some(branch), _) => write!(f, ", branch {}", shown(branch)),
                            (_, Some(tag)) => write!(f, ", tag {}", shown(tag)),
                            _ => write!(f, ", reference {}", shown(name)),
                        }
                    }
                    GitHubContext::Environment(name) => write!(f, ", environment {}", shown(name)),
                    GitHubContext::PullRequest => f.write_str(", pull requests"),
                    GitHubContext::Other(claims) => write!(f, ", customized subject {}", shown(claims)),
                }
            }
            Self::AzurePipelines {
                organization,
                project,
                name,
                is_connection,
            } => {
                let kind = if *is_connection {
                    "service connection"
                } else {
                    "pipeline"
                };
                write!(
                    f,
                    "Azure Pipelines, organization {}, project {}, {kind} {}",
                    shown(organization),
                    shown(project),
                    shown(name)
                )
            }
            Self::Entra(subject) => match subject.service_connection() {
                Some((organization, connection)) => write!(
                    f,
                    "Azure Pipelines, tenant {}, organization {organization}, service connection {connection}",
                    subject.tenant()
                ),
                None => write!(
                    f,
                    "a workload {} of the application {} in the tenant {}",
                    shown(subject.path()),
                    subject.application(),
                    subject.tenant()
                ),
            },
            Self::ServicePrincipal {
                tenant,
                object_id,
                is_managed_identity,
            } => {
                let kind = if *is_managed_identity {
                    "managed identity"
                } else {
                    "service principal"
                };
                write!(f, "the {kind} with the object ID {object_id} in the tenant {tenant}")
            }
            Self::Kubernetes { namespace, account } => write!(
                f,
                "Kubernetes, namespace {}, service account {}",
                shown(namespace),
                shown(account)
            ),
            Self::GitLab {
                project,
                ref_type,
                reference,
            } => write!(
                f,
                "GitLab, project {}, {} {}",
                shown(project),
                shown(ref_type),
                shown(reference)
            ),
            Self::TerraformCloud { subject } => write!(f, "Terraform Cloud, {}", shown(subject)),
            Self::Google { account } => write!(f, "Google Cloud, service account {}", shown(account)),
            Self::Spiffe { id } => write!(f, "the workload with the SPIFFE ID {}", shown(id)),
            Self::Other => f.write_str("a workload of an unknown platform"),
        }
    }
}

/// Returns the tenant of a token that Entra issued.
pub(super) fn entra_tenant(issuer: &str) -> Option<Guid> {
    let (origin, path) = issuer.strip_prefix("https://")?.split_once('/')?;
    let tenant = path
        .strip_suffix("/v2.0")
        .or_else(|| path.strip_suffix('/'))
        .unwrap_or(path);
    let origin = format!("https://{origin}");
    let clouds = [Cloud::Public, Cloud::UsGovernment, Cloud::China];
    let is_entra = clouds.iter().any(|cloud| cloud.issues_from(&origin));
    tenant.parse().ok().filter(|_| is_entra)
}

/// Returns whether an issuer is GitHub, a subdomain of GitHub Enterprise Cloud or an Enterprise
/// Server.
fn is_github(issuer: &str) -> bool {
    let Some(rest) = issuer.strip_prefix("https://") else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let of_subdomain = host
        .strip_prefix("token.actions.")
        .and_then(|rest| rest.strip_suffix(".ghe.com"));
    host == "token.actions.githubusercontent.com" || of_subdomain.is_some() || path == "_services/token"
}

fn azure_pipeline(subject: &str) -> Option<Workload> {
    let (scheme, rest) = subject.split_once("://")?;
    let is_connection = match scheme {
        "sc" => true,
        "p" => false,
        _ => return None,
    };
    let (organization, rest) = rest.split_once('/')?;
    let (project, name) = rest.split_once('/')?;
    Some(Workload::AzurePipelines {
        organization: organization.to_owned(),
        project: project.to_owned(),
        name: name.to_owned(),
        is_connection,
    })
}

fn kubernetes(subject: &str) -> Option<Workload> {
    let (namespace, account) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !account.is_empty() && !account.contains(':')).then(|| Workload::Kubernetes {
        namespace: namespace.to_owned(),
        account: account.to_owned(),
    })
}

fn gitlab(subject: &str) -> Option<Workload> {
    let (project, rest) = subject.strip_prefix("project_path:")?.split_once(":ref_type:")?;
    let (ref_type, reference) = rest.split_once(":ref:")?;
    Some(Workload::GitLab {
        project: project.to_owned(),
        ref_type: ref_type.to_owned(),
        reference: reference.to_owned(),
    })
}

/// The most characters of a part of a subject that a description shows.
const SHOWN: usize = 200;
