//! `entra lint`: violations and correct uses of each rule, and findings in documents of Microsoft.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::common::{err, out, run};

/// Returns the line and the rule of each finding in a file with this name and text.
pub(super) fn found(name: &str, text: &str) -> Vec<(u64, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let output = run(&["lint", path.to_str().unwrap(), "-o", "json"], &[]);
    findings(&output)
        .iter()
        .map(|finding| {
            (
                finding["line"].as_u64().unwrap(),
                finding["rule"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[track_caller]
pub(super) fn findings(output: &Output) -> Vec<Value> {
    let printed: Value = serde_json::from_str(out(output)).unwrap_or_else(|_| panic!("{}", err(output)));
    printed["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn breaks(rule: &str, name: &str, text: &str) {
    let found = found(name, text);
    assert!(
        found.iter().any(|(_, id)| id == rule),
        "{rule} is not found in {name}: {text}\n{found:?}"
    );
}

#[track_caller]
fn keeps(name: &str, text: &str) {
    let found = found(name, text);
    assert!(found.is_empty(), "{found:?} in {name}: {text}");
}

const ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const SECRET: &str = "abc8Q~kD93jfKEl20sPq81LmZx7vQwT4uYbNhGcR";
const V1: &str = "https://login.microsoftonline.com/contoso.com/oauth2/token";
const V2: &str = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";

#[test]
fn misspelt_grant_types_and_names_are_found() {
    for text in [
        "grant_type=client_credential&client_id=x",
        "  \"grant_type\": \"client-credentials\",",
        "| grant_type | Required | Must be `client_credential`. |",
        "form.append('grant_type', 'ClientCredentials');",
        "grant_type=authorisation_code",
        "data = {'grant_type': 'client_credentails'}",
        "$body = @{ grant_type = \"clientcredentials\" }",
        "-d grant_type=Client_Credentials \\",
    ] {
        breaks("grant-type", "x.md", text);
    }
    for text in [
        "grant_type=client_credentials",
        "\"grant_type\": \"urn:ietf:params:oauth:grant-type:jwt-bearer\"",
        "client_credential=config[\"secret\"],",
        "let grant_type = client_credential();",
        "grantType: GrantType.ClientCredentials",
        "\"grant_type\": grant,",
    ] {
        keeps("x.rs", text);
    }
    breaks("parameter-case", "x.txt", "client_id=a&Scope=b");
    breaks("parameter-case", "x.txt", "clientId=a&client_secret=b&grant_type=c");
    breaks(
        "parameter-case",
        "x.md",
        "| client_id | x |\n| Scope | x |\n| grant_type | x |",
    );
    keeps("x.md", "| Scope | what it covers |\n| Time | two weeks |");
    keeps("x.cs", "Scope = \"x\"; ClientId = \"y\";");
}

#[test]
fn parameter_of_the_other_endpoint_is_found() {
    breaks(
        "v1-scope",
        "x.py",
        &format!("url = '{V1}'\ndata = {{'scope': 'https://graph.microsoft.com/.default'}}"),
    );
    breaks(
        "v1-scope",
        "x.sh",
        &format!("curl -d 'client_id=x' \\\n -d 'scope=https://a.example/.default' \\\n  {V1}"),
    );
    breaks(
        "v1-scope",
        "x.txt",
        "POST /contoso.com/oauth2/token HTTP/1.1\n\nscope=b&client_id=c",
    );
    let js = "const body = { grant_type: 'client_credentials', resource: 'https://graph.microsoft.com' };";
    breaks("v2-resource", "x.js", &format!("{js}\nfetch('{V2}', {{ body }});"));
    breaks(
        "v2-resource",
        "x.py",
        &format!("url = '{V2}'\ndata = {{'resource': 'https://graph.microsoft.com'}}"),
    );
    breaks(
        "v2-resource",
        "x.txt",
        &format!(
            "{}?resource=https%3A%2F%2Fgraph.microsoft.com&client_id=a",
            V2.replace("token", "authorize")
        ),
    );
    keeps(
        "x.txt",
        &format!(
            "POST {V1}\n\nresource=b&client_id=c\n\n{{\"token_type\":\"Bearer\",\"scope\":\"x\",\"access_token\":\"y\"}}"
        ),
    );
    keeps(
        "x.txt",
        &format!("POST {V1}\n\nresource=b\n\nHTTP/1.1 200 OK\n\n{{\n  \"scope\": \"x\"\n}}"),
    );
    keeps(
        "x.rs",
        &format!("let url = \"{V1}\";\nlet scope = scope_of(request);\nlet resource = 1;"),
    );
    keeps(
        "x.py",
        &format!("a = '{V2}'\nscope = 1\n\nb = '{V1}'\ndata = {{'resource': 'x'}}"),
    );
}

#[test]
fn app_only_requests_need_one_api_and_one_tenant() {
    let request = |scope: &str| format!("POST {V2}\n\ngrant_type=client_credentials&scope={scope}");
    breaks(
        "missing-default",
        "x.txt",
        &request("https%3A%2F%2Fgraph.microsoft.com%2FUser.Read"),
    );
    breaks("missing-default", "x.txt", &request("https://graph.microsoft.com"));
    breaks(
        "missing-default",
        "x.txt",
        &request("https%3A%2F%2Fgraph.microsoft.com%2F.default%20openid"),
    );
    breaks(
        "missing-default",
        "x.py",
        "r = app.acquire_token_for_client(scopes=[\"User.Read.All\"])",
    );
    breaks(
        "missing-default",
        "x.cs",
        "await app.AcquireTokenForClient(new[] { \"https://graph.microsoft.com/User.Read\" })",
    );
    for scope in [
        "https%3A%2F%2Fgraph.microsoft.com%2F.default",
        "{scope}",
        "$SCOPE",
        "<your scope>",
    ] {
        keeps("x.txt", &request(scope));
    }
    keeps("x.py", "app.acquire_token_for_client(scopes=config[\"scope\"])");
    keeps(
        "x.txt",
        &format!("POST {V2}\n\ngrant_type=authorization_code&scope=User.Read"),
    );

    let common = V2.replace("contoso.com", "common");
    breaks(
        "common-app-only",
        "x.txt",
        &format!("POST {common}\n\ngrant_type=client_credentials"),
    );
    breaks(
        "common-app-only",
        "x.py",
        "app.acquire_token_for_client(s)\nauthority=\"https://login.microsoftonline.com/organizations\"",
    );
    keeps("x.txt", &format!("POST {common}\n\ngrant_type=authorization_code"));
    breaks(
        "no-tenant",
        "x.py",
        "url = 'https://login.microsoftonline.com/oauth2/v2.0/token'",
    );
    keeps(
        "x.py",
        "url = f'{authority}/oauth2/v2.0/token'\nurl = f'https://login.microsoftonline.com/{tenant}/oauth2/token'",
    );
}

#[test]
fn missing_and_extra_slashes_are_found() {
    for text in [
        "scope: \"https://database.windows.net/.default\"",
        "scope=https%3A%2F%2Fdatabase.windows.net%2F.default",
        "resource=https://database.windows.net&x=y",
        "'resource': 'https://database.windows.net'",
    ] {
        breaks("resource-slash", "x.js", text);
    }
    breaks(
        "doubled-slash",
        "x.js",
        "scope: \"https://graph.microsoft.com//.default\"",
    );
    breaks(
        "doubled-slash",
        "x.js",
        "scope: \"https://database.windows.net///.default\"",
    );
    for text in [
        "\"https://database.windows.net//.default\"",
        "resource=https%3A%2F%2Fdatabase.windows.net%2F",
        "\"https://graph.microsoft.com/.default\"",
        "resource=https://management.azure.com/",
        "scope: resource + \"/.default\"",
        "\"api://own/.default\"",
    ] {
        keeps("x.js", text);
    }
    breaks(
        "endpoint-slash",
        "x.js",
        "authority: process.env.AAD_ENDPOINT + process.env.TENANT_ID",
    );
    breaks(
        "endpoint-slash",
        "x.js",
        "authority: `${process.env.AAD_ENDPOINT}${process.env.TENANT_ID}`",
    );
    breaks(
        "endpoint-slash",
        "x.js",
        "\"https://login.microsoftonline.com\" + tenantId",
    );
    breaks(
        "endpoint-slash",
        ".env",
        "AAD_ENDPOINT=https://login.microsoftonline.com\n",
    );
    keeps(".env", "AAD_ENDPOINT=https://login.microsoftonline.com/\n");
    keeps(
        "x.js",
        "\"https://login.microsoftonline.com/\" + tenantId\n`${process.env.AAD_ENDPOINT}/${process.env.TENANT_ID}`",
    );
}

#[test]
fn misspelt_and_old_urls_are_found() {
    breaks(
        "html-escape",
        "x.md",
        "https://a.example/?response_type=code&amp;client_id=x",
    );
    keeps("x.html", "<a href=\"?response_type=code&amp;client_id=x\">");
    keeps("x.md", "Research &amp; development = fun");
    breaks("old-host", "x.py", "https://login.windows.net/common");
    breaks("old-host", "x.py", "https%3A%2F%2Flogin.windows.net%2Fcommon");
    breaks("azure-ad-graph", "x.py", "https://graph.windows.net/contoso.com/users");
    keeps(
        "x.py",
        "https://sts.windows.net/x/ mylogin.windows.net.example https://database.windows.net//.default",
    );
    for text in [
        "redirect_uri=http%3A%2F%2Fwww.mycompany.com%2Fmyapp%2F",
        "\"redirectUri\": \"http://app.example/callback\"",
        "http://www.mycompany.com/myapp/?code=AAAB",
    ] {
        breaks("redirect-http", "x.json", text);
    }
    keeps(
        "x.json",
        "\"redirectUri\": \"http://localhost:8400/\",\n\"redirect_uri\": \"http://127.0.0.1/\"\n\"redirect_uri\": \"https://a.example\"",
    );
}

#[test]
fn incomplete_values_and_blanks_are_found() {
    for (name, text) in [
        (
            "x.cs",
            "Authority = \" https://login.microsoftonline.com/contoso.com\",".to_owned(),
        ),
        ("x.json", format!("\"clientId\": \"{ID} \"")),
        (".env", format!("AZURE_CLIENT_ID= {ID}")),
        (".env", "TENANT_ID=contoso.com  ".to_owned()),
        ("x.txt", format!("resource=x&client_id= {ID}")),
        ("x.txt", format!("client_id={ID} &resource=x")),
        ("x.txt", "resource=x&client_id={your_client_id }".to_owned()),
    ] {
        breaks("blank-in-value", name, &text);
    }
    keeps(".env", &format!("AZURE_CLIENT_ID={ID}\nTENANT_ID=contoso.com\n"));
    keeps(
        "x.js",
        "const authority = \"see \" + \" https://aka.ms/x and more\";\nclient_id = x",
    );
    breaks("placeholder", ".env", "TENANT_ID=Enter_the_Tenant_Id_Here");
    breaks("placeholder", "x.json", "\"client_id\": \"your_client_id\"");
    breaks(
        "placeholder",
        "x.md",
        "```csharp\nClientId = \"Enter the client ID obtained from the admin center\",\n```",
    );
    keeps(
        "x.md",
        "Replace `Enter_the_Tenant_Id_Here` with the ID.\n```sh\nls\n```\n",
    );
    for text in [
        "NODE_TLS_REJECT_UNAUTHORIZED=0 node .",
        "process.env[\"NODE_TLS_REJECT_UNAUTHORIZED\"] = \"0\";",
        "requests.post(url, data, verify=False)",
        "rejectUnauthorized: false",
        "tls.Config{InsecureSkipVerify: true}",
        ".danger_accept_invalid_certs(true)",
    ] {
        breaks("tls-off", "x.txt", text);
    }
    keeps(
        "x.txt",
        "NODE_TLS_REJECT_UNAUTHORIZED=1\nverify=True\nif NODE_TLS_REJECT_UNAUTHORIZED == \"0\"\nrejectUnauthorized: isFalse",
    );
    breaks("adal", "x.cs", "using Microsoft.IdentityModel.Clients.ActiveDirectory;");
    keeps("x.cs", "MADALENA, adalbert");
}

#[test]
fn secrets_are_found_and_not_repeated() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCcanary\n-----END PRIVATE KEY-----\n";
    for (name, text) in [
        ("x.py", format!("client_secret = \"{SECRET}\"")),
        ("x.yaml", format!("password: {SECRET}")),
        (".env", "AZURE_CLIENT_SECRET=qWgdYAmab0YSkuL1qKv5bPX".to_owned()),
        ("x.pem", key.to_owned()),
        ("x.js", format!("const key = {:?};", key)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, &text).unwrap();
        for format in ["text", "json"] {
            let output = run(&["lint", path.to_str().unwrap(), "-o", format], &[]);
            assert_eq!(output.status.code(), Some(11), "{text}: {}", err(&output));
            assert!(out(&output).contains("secret-in-file"), "{text}: {}", out(&output));
            for part in ["abc8Q~", "kD93jf", "qWgdYA", "canary"] {
                assert!(
                    !out(&output).contains(part) && !err(&output).contains(part),
                    "{}",
                    out(&output)
                );
            }
        }
    }
    for text in [
        "client_secret = os.environ[\"AZURE_CLIENT_SECRET\"]",
        "\"client_secret\": \"access_token\"",
        "client_secret={your_client_key}&x=y",
        "if pem.contains(\"-----BEGIN PRIVATE KEY-----\") {}",
        "client_secret = \"@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/y)\"",
    ] {
        keeps("x.py", text);
    }
    breaks("secret-id", ".env", &format!("AZURE_CLIENT_SECRET={ID}"));
    breaks("secret-id", "x.json", &format!("\"clientSecret\": \"{ID}\""));
    keeps("x.json", &format!("\"clientSecretId\": \"{ID}\""));
    let part = "eyJhbGciOiJSUzI1NiIsIng1dCI6IkEifQ";
    let token = format!("{part}.{part}.{}", "a1B2".repeat(80));
    breaks("token-in-file", "x.txt", &format!("client_assertion={token}"));
    keeps("x.txt", &format!("eyJ0eX... {part}.{part}.c2ln"));
}

/// Each snippet of the table begins with `=== file name: rule@line ..`, which lists all of its
/// findings.
#[test]
fn snippets_have_the_expected_findings() {
    let table = include_str!("../lint_table/snippets.txt");
    let (mut wrong, mut right) = (0, 0);
    for snippet in table.split("=== ").skip(1) {
        let (head, text) = snippet.split_once('\n').unwrap();
        let (name, expected) = head.split_once(':').unwrap();
        let found: Vec<String> = found(name, text)
            .iter()
            .map(|(line, rule)| format!("{rule}@{line}"))
            .collect();
        assert_eq!(found.join(" "), expected.trim(), "{snippet}");
        *(if found.is_empty() { &mut right } else { &mut wrong }) += 1;
    }
    assert!(wrong >= 100 && right >= 90, "{wrong} and {right}");
}

#[test]
fn documents_have_the_expected_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let mut documents = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "findings") {
            continue;
        }
        documents += 1;
        let output = run(&["lint", path.to_str().unwrap(), "-o", "json"], &[]);
        let lines: Vec<String> = findings(&output)
            .iter()
            .map(|finding| {
                format!(
                    "{}:{} {}\n",
                    finding["line"],
                    finding["column"],
                    finding["rule"].as_str().unwrap()
                )
            })
            .collect();
        let expected = fs::read_to_string(path.with_extension("findings")).unwrap();
        assert_eq!(lines.concat(), expected, "{}", path.display());
    }
    assert_eq!(documents, 5);
}
