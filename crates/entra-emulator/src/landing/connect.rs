//! The section that shows how to connect a program.

use std::fmt::Write;

use crate::config::{Issuers, ManagedIdentitySource};
use crate::html::escape;
use crate::landing::parts::{code, definitions};
use crate::state::State;

pub(super) fn section(state: &State, origin: &str) -> String {
    let tenant = state.first_tenant();
    let client = state.directory.apps.first().map_or("", |app| app.client_id.as_str());
    let id = &tenant.id;
    let mut html = "<section id=\"connect\" aria-labelledby=\"connect-title\" data-live>\n<h2 id=\"connect-title\">Connect a program</h2>\n".to_owned();
    html.push_str(
        "<p>Set these variables in a shell. The secret is not shown here: <code>entra emulator</code> printed it when it started.</p>\n",
    );
    let variables = format!(
        "export AZURE_AUTHORITY_HOST={origin}\nexport AZURE_TENANT_ID={id}\nexport AZURE_CLIENT_ID={client}\nexport AZURE_CLIENT_SECRET=..."
    );
    let curl = format!(
        "curl {origin}/{id}/oauth2/v2.0/token -d grant_type=client_credentials \\\n  -d client_id={client} --data-urlencode \"client_secret=$AZURE_CLIENT_SECRET\" \\\n  -d scope=https://graph.microsoft.com/.default"
    );
    let _ = writeln!(html, "<pre tabindex=\"0\">{}</pre>", lines(&variables));
    let _ = writeln!(html, "<pre tabindex=\"0\">{}</pre>", lines(&curl));
    let _ = writeln!(
        html,
        "<p>The activity feed of Office 365 is at {}; <code>activity</code> in the configuration sets its content.</p>",
        code(&format!("{origin}/api/v1.0/{id}/activity/feed"))
    );
    match &state.tls_url {
        Some(url) => {
            let _ = writeln!(
                html,
                "<p>MSAL and azure-identity require TLS: use {} and trust the CA certificate whose file the emulator printed. Turn instance discovery off in both.</p>",
                code(url)
            );
        }
        None => {
            html.push_str("<p>MSAL and azure-identity require TLS: start the emulator with <code>--tls</code>.</p>\n")
        }
    }
    html.push_str("<p>For a program with a managed identity instead of a secret, <code>entra emulator --managed-identity SOURCE</code> prints the variables of a source: <code>imds</code>, <code>app-service</code>, <code>azure-ml</code>, <code>cloud-shell</code>, <code>arc</code> or <code>service-fabric</code>.</p>\n");
    if let Some(issuer) = &state.second_issuer {
        let _ = writeln!(
            html,
            "<p>The second issuer {} issues assertions for federated credentials. <code>entra emulator</code> printed the variables of its services.</p>",
            code(&issuer.url)
        );
    }
    if state.issuers == Issuers::Entra {
        html.push_str("<p>For OpenID Connect clients and validators that compare the issuer with its URL, start the emulator with <code>--issuer origin</code>.</p>\n");
    }
    let link = |path: String| {
        let url = escape(&format!("{origin}{path}"));
        format!("<a href=\"{url}\">{url}</a>")
    };
    let plain = |path: String| code(&format!("{origin}{path}"));
    html.push_str("<h3>Endpoints</h3>\n");
    let _ = writeln!(
        html,
        "<p>These are for {}. For another tenant, put its ID or its domain into the path.</p>",
        escape(&tenant.domain)
    );
    html.push_str(&definitions(&[
        ("Authority", plain(format!("/{id}"))),
        ("Token, v2", plain(format!("/{id}/oauth2/v2.0/token"))),
        ("Token, v1", plain(format!("/{id}/oauth2/token"))),
        ("Authorize, v2", plain(format!("/{id}/oauth2/v2.0/authorize"))),
        ("Device code, v2", plain(format!("/{id}/oauth2/v2.0/devicecode"))),
        ("Page for device codes", link("/devicelogin".to_owned())),
        (
            "Metadata, v2",
            link(format!("/{id}/v2.0/.well-known/openid-configuration")),
        ),
        ("Metadata, v1", link(format!("/{id}/.well-known/openid-configuration"))),
        ("Signing keys", link(format!("/{id}/discovery/v2.0/keys"))),
        ("Microsoft Graph", plain("/v1.0".to_owned())),
        (
            "Office 365 activity feed",
            plain(format!("/api/v1.0/{id}/activity/feed")),
        ),
        (
            "Managed identities (IMDS)",
            plain(ManagedIdentitySource::Imds.path().to_owned()),
        ),
        ("Health", link("/healthz".to_owned())),
    ]));
    html.push_str("</section>\n");
    html
}

/// Escapes each of several lines.
fn lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}
