//! The command `entra tenants`: lists and removes stored tenant consents.

use clap::{Args, Subcommand};
use entra_proto::{ClientId, Guid};
use entra_tenants::{ConsentedTenant, TenantList, TenantStore, TenantStoreError};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{excerpt, harmless, print, print_json, tell};
use crate::listing::{Form, ListOutput, Table};
use crate::message::{warn, warn_only};
use crate::tenant_store::TenantStoreSettings;
use crate::terminal::Stream;
use crate::time_format::{put_time, utc};

/// Manage the stored tenants: list the tenants that consented, or remove one.
///
/// `entra consent` stores them. Removing one here does not revoke the consent: the tenant's
/// administrator does that in the portal, under Enterprise applications.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the tenants that consented
    ///
    /// Each with the application, the time, the administrator and the granted permissions.
    List {
        #[command(flatten)]
        tenant_store: TenantStoreSettings,

        /// Only tenants that consented to this application
        #[arg(long, value_name = "GUID")]
        client_id: Option<String>,

        #[command(flatten)]
        output: ListOutput,
    },
    /// Remove a stored tenant, with its secrets
    ///
    /// The secrets are those that programs stored for the tenant in the same file, such as refresh
    /// tokens. Accounts of `entra login` and cached tokens are in another file, and stay.
    Forget {
        /// The tenant's ID
        tenant: String,

        #[command(flatten)]
        tenant_store: TenantStoreSettings,

        /// Only its consent to this application [default: to all applications]
        #[arg(long, value_name = "GUID")]
        client_id: Option<String>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List {
            tenant_store,
            client_id,
            output,
        } => list(tenant_store, parsed(client_id.as_deref())?, output.form()),
        Command::Forget {
            tenant,
            tenant_store,
            client_id,
        } => forget(tenant_store, tenant, parsed(client_id.as_deref())?),
    }
}

fn list(settings: &TenantStoreSettings, client_id: Option<ClientId>, form: Form) -> Result<(), Failure> {
    let found = settings.existing()?.list(client_id)?;
    for error in &found.unreadable {
        match error.hint() {
            Some(hint) => warn(error, hint.to_owned()),
            None => warn_only(error),
        }
    }
    match form {
        Form::Json => print_json(&found.tenants.iter().map(to_json).collect()),
        Form::Table | Form::Text if found.tenants.is_empty() => {
            if found.unreadable.is_empty() {
                tell("no tenant has consented yet");
            }
            Ok(())
        }
        Form::Table => print(&table(&found.tenants).fitted(Stream::Out.width())),
        Form::Text => print(&found.tenants.iter().map(line).collect::<Vec<_>>().join("\n")),
    }
}

fn forget(settings: &TenantStoreSettings, tenant: &str, client_id: Option<ClientId>) -> Result<(), Failure> {
    let tenant: Guid = tenant.trim().parse().map_err(|_| {
        let problem = format!("\"{}\" is not a tenant's ID", excerpt(tenant, 100));
        Failure::text(Exit::Configuration, problem).hint("`entra tenants list` shows the IDs")
    })?;
    let tenant_store = settings.existing()?;
    let applications: Vec<ClientId> = match client_id {
        Some(client_id) => vec![client_id],
        None => applications_in(tenant, &tenant_store.list(None)?),
    };
    let mut forgotten = false;
    for application in applications {
        forgotten |= tenant_store.forget(application, tenant)?;
    }
    if !forgotten {
        return Err(
            Failure::text(Exit::Configuration, format_args!("no consent of {tenant} is stored"))
                .hint("`entra tenants list` shows the stored consents"),
        );
    }
    tell(format_args!("{tenant} is removed"));
    Ok(())
}

/// Returns the applications with a record for this tenant, including damaged records.
fn applications_in(tenant: Guid, found: &TenantList) -> Vec<ClientId> {
    let known = found.tenants.iter().map(|known| (known.client_id, known.tenant));
    let damaged = found.unreadable.iter().filter_map(|error| match error {
        TenantStoreError::Record { client_id, tenant, .. } => Some((*client_id, *tenant)),
        _ => None,
    });
    let all = known.chain(damaged);
    all.filter(|(_, of)| *of == tenant)
        .map(|(application, _)| application)
        .collect()
}

fn table(tenants: &[ConsentedTenant]) -> Table<5> {
    let rows = tenants.iter().map(|tenant| {
        [
            tenant.tenant.to_string(),
            tenant.client_id.to_string(),
            utc(tenant.consented_at),
            tenant.consented_by.clone().unwrap_or_default(),
            tenant.granted.join(" "),
        ]
    });
    Table::new(["TENANT", "APPLICATION", "CONSENTED", "BY", "GRANTED"], rows)
}

fn line(tenant: &ConsentedTenant) -> String {
    let mut line = format!("{}  {}  {}", tenant.tenant, tenant.client_id, utc(tenant.consented_at));
    if let Some(user) = &tenant.consented_by {
        line += &format!("  {}", harmless(user));
    }
    if !tenant.granted.is_empty() {
        line += &format!("  {}", harmless(&tenant.granted.join(" ")));
    }
    line
}

fn to_json(tenant: &ConsentedTenant) -> Value {
    let mut object = json!({
        "tenant": tenant.tenant.to_string(),
        "client_id": tenant.client_id.to_string(),
        "consented_by": tenant.consented_by,
        "authority_host": tenant.cloud.as_ref().map(|cloud| cloud.origin().to_owned()),
        "granted": tenant.granted,
    });
    if let Value::Object(members) = &mut object {
        put_time(members, "first_consented", tenant.first_consented_at);
        put_time(members, "consented", tenant.consented_at);
    }
    object
}

fn parsed(client_id: Option<&str>) -> Result<Option<ClientId>, Failure> {
    Ok(client_id.map(|client_id| client_id.trim().parse()).transpose()?)
}
