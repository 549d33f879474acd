//! Tests of the environment's settings.

use std::ffi::OsString;

use super::*;

const TENANT: (&str, &str) = (TENANT_ID, "contoso.onmicrosoft.com");
const CLIENT: (&str, &str) = (CLIENT_ID, "535fb089-9ff3-47b6-9bfb-4f1264799865");
const SECRET: (&str, &str) = (CLIENT_SECRET, "canary~secret");
const CERTIFICATE: (&str, &str) = (CLIENT_CERTIFICATE_PATH, "daemon.pem");
const FEDERATED: (&str, &str) = (FEDERATED_TOKEN_FILE, "/var/run/token");

fn read(variables: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
    Environment::read(|name| {
        let value = variables.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| OsString::from(value))
    })
}

/// Returns the kind of credential that was chosen.
fn credential(variables: &[(&str, &str)]) -> &'static str {
    match read(&[&[TENANT, CLIENT], variables].concat())
        .expect("they are complete")
        .credential
    {
        CredentialSettings::Secret(_) => "secret",
        CredentialSettings::Certificate(_) => "certificate",
        CredentialSettings::FederatedToken(_) => "token",
    }
}

#[test]
fn explicit_credentials_precede_the_token_file() {
    for (variables, chosen) in [
        (vec![SECRET], "secret"),
        (vec![CERTIFICATE], "certificate"),
        (vec![FEDERATED], "token"),
        (vec![SECRET, FEDERATED], "secret"),
        (vec![CERTIFICATE, FEDERATED], "certificate"),
        (vec![SECRET, (CLIENT_CERTIFICATE_PATH, "")], "secret"),
        (vec![(CLIENT_SECRET, ""), CERTIFICATE], "certificate"),
        (
            vec![(CLIENT_SECRET, ""), (CLIENT_CERTIFICATE_PATH, ""), FEDERATED],
            "token",
        ),
        (vec![SECRET, (CLIENT_CERTIFICATE_PASSWORD, "pw")], "secret"),
    ] {
        assert_eq!(credential(&variables), chosen, "{variables:?}");
    }
}

#[test]
fn cloud_is_public_by_default() {
    for (host, origin) in [
        ("", "https://login.microsoftonline.com"),
        (" \t", "https://login.microsoftonline.com"),
        ("https://login.microsoftonline.us/", "https://login.microsoftonline.us"),
        ("login.microsoftonline.us", "https://login.microsoftonline.us"),
        ("AzureChinaCloud", "https://login.partner.microsoftonline.cn"),
        ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
    ] {
        let environment = read(&[TENANT, CLIENT, SECRET, (AUTHORITY_HOST, host)]).expect(host);
        assert_eq!(environment.authority.cloud().origin(), origin, "{host:?}");
    }
}

#[test]
fn certificate_settings_hold_password_and_chain() {
    let of = |more: &[(&str, &str)]| match read(&[&[TENANT, CLIENT, CERTIFICATE], more].concat())
        .unwrap()
        .credential
    {
        CredentialSettings::Certificate(settings) => settings,
        other => panic!("{other:?}"),
    };
    let plain = of(&[(CLIENT_CERTIFICATE_PASSWORD, "")]);
    assert_eq!(
        (plain.path(), plain.password(), plain.sends_chain()),
        (Path::new("daemon.pem"), None, false)
    );
    for (value, sends) in [
        ("1", true),
        ("true", true),
        ("TRUE", true),
        ("0", false),
        ("false", false),
        ("", false),
    ] {
        assert_eq!(
            of(&[(CLIENT_SEND_CERTIFICATE_CHAIN, value)]).sends_chain(),
            sends,
            "{value}"
        );
    }
    let locked = of(&[(CLIENT_CERTIFICATE_PASSWORD, " canary ")]);
    assert_eq!(locked.password(), Some(" canary "));
    assert!(!format!("{locked:?}").contains("canary"));
}

#[test]
fn errors_name_the_variable_and_the_remedy() {
    for (variables, problem, hint) in [
        (vec![], "AZURE_TENANT_ID is not set", "contoso.onmicrosoft.com"),
        (
            vec![(TENANT_ID, " ")],
            "AZURE_TENANT_ID is set but empty",
            "contoso.onmicrosoft.com",
        ),
        (
            vec![("ARM_TENANT_ID", "x")],
            "AZURE_TENANT_ID is not set; ARM_TENANT_ID is set but not read",
            "set it",
        ),
        (vec![(TENANT_ID, "contoso"), CLIENT, SECRET], "AZURE_TENANT_ID: ", ""),
        (vec![TENANT], "AZURE_CLIENT_ID is not set", "application (client) ID"),
        (vec![TENANT, (CLIENT_ID, "daemon"), SECRET], "AZURE_CLIENT_ID: ", ""),
        (
            vec![TENANT, CLIENT],
            "no variable names a credential",
            "AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH",
        ),
        (
            vec![TENANT, CLIENT, (CLIENT_SECRET, "")],
            "no variable names a credential",
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            vec![TENANT, CLIENT, ("AZURE_SECRET", "canary")],
            "AZURE_SECRET is set but not read, AZURE_CLIENT_SECRET is not set",
            "AZURE_CLIENT_SECRET",
        ),
        (
            vec![TENANT, CLIENT, (CLIENT_CERTIFICATE_PASSWORD, "canary")],
            "AZURE_CLIENT_CERTIFICATE_PASSWORD is set, AZURE_CLIENT_CERTIFICATE_PATH is not",
            "AZURE_CLIENT_CERTIFICATE_PATH",
        ),
        (
            vec![TENANT, CLIENT, SECRET, CERTIFICATE],
            "AZURE_CLIENT_SECRET and AZURE_CLIENT_CERTIFICATE_PATH are both set",
            "unset",
        ),
        (
            vec![TENANT, CLIENT, (CLIENT_SECRET, " \n")],
            "AZURE_CLIENT_SECRET: ",
            "app registration",
        ),
        (
            vec![
                TENANT,
                CLIENT,
                SECRET,
                (AUTHORITY_HOST, "http://login.microsoftonline.com"),
            ],
            "AZURE_AUTHORITY_HOST: ",
            "https",
        ),
        (
            vec![
                TENANT,
                CLIENT,
                SECRET,
                (AUTHORITY_HOST, "https://user:canary@login.microsoftonline.com"),
            ],
            "AZURE_AUTHORITY_HOST: ",
            "",
        ),
    ] {
        let error = read(&variables).expect_err(problem);
        let (text, advice) = (error.to_string(), error.hint().unwrap_or_default());
        assert!(text.contains(problem), "{text} / {problem}");
        assert!(advice.contains(hint), "{text}: {advice} / {hint}");
        assert!(!format!("{text} {advice} {error:?}").contains("canary"), "{text}");
    }
}

#[test]
fn secrets_in_the_wrong_variable_are_not_shown() {
    let secret = "kT~8Q~canaryqWgdYAmab0YSkuL1qKv5bPXz8d";
    for variable in [TENANT_ID, CLIENT_ID, AUTHORITY_HOST] {
        let mut variables = vec![(variable, secret)];
        variables.extend([TENANT, CLIENT, SECRET]);
        let error = read(&variables).expect_err(variable);
        assert!(
            !format!("{error} {:?} {error:?}", error.hint()).contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn debug_of_settings_shows_no_secret() {
    let shown = format!("{:?}", read(&[TENANT, CLIENT, SECRET]).unwrap());
    assert!(shown.contains("contoso") && !shown.contains("canary"), "{shown}");
}

#[cfg(unix)]
#[test]
fn values_that_are_not_utf8_are_errors() {
    use std::os::unix::ffi::OsStringExt;

    for variable in [TENANT_ID, CLIENT_ID, CLIENT_SECRET, AUTHORITY_HOST] {
        let error = Environment::read(|name| {
            if name == variable {
                return Some(OsString::from_vec(b"canary\xff".to_vec()));
            }
            let known = [TENANT, CLIENT, SECRET].into_iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| value.into())
        })
        .expect_err(variable);
        assert_eq!(error.to_string(), format!("{variable} is not UTF-8"));
        assert!(!format!("{error:?}").contains("canary"));
    }
}
