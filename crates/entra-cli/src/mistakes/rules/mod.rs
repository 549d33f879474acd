//! The table of rules. Their matchers are in the other files, by what they look at.

mod requests;
mod secrets;
mod urls;
mod values;

use crate::mistakes::Level::{Note, Problem};
use crate::mistakes::Rule;

/// All rules, in the order in which they are listed.
pub(crate) static RULES: [Rule; 21] = [
    Rule {
        id: "grant-type",
        level: Problem,
        title: "a grant type is misspelled",
        instead: "write client_credentials",
        why: "The service compares grant_type letter for letter: client_credential, without the s, is AADSTS70003 (unsupported_grant_type).",
        check: values::grant_type,
    },
    Rule {
        id: "parameter-case",
        level: Problem,
        title: "the name of a parameter is not as the service reads it",
        instead: "write the names of parameters in small letters with underscores",
        why: "Names of parameters are compared letter for letter: Scope is not scope, and clientId is not client_id. The service says that \
              the parameter is missing (AADSTS900144).",
        check: values::parameter_case,
    },
    Rule {
        id: "html-escape",
        level: Problem,
        title: "&amp; stands in a URL or a form",
        instead: "write & alone",
        why: "&amp; is how HTML writes &. In a URL or in the body of a request it makes parameters named amp;client_id, which the service \
              does not read: it says that the parameter is missing (AADSTS900144).",
        check: urls::html_escape,
    },
    Rule {
        id: "v1-scope",
        level: Problem,
        title: "scope is sent to the v1 token endpoint, which reads resource",
        instead: "send resource=AUDIENCE (without /.default), or ask /oauth2/v2.0/token with scope",
        why: "/oauth2/token takes the audience of the API as resource, and ignores scope: without resource, the token is for another API, \
              or AADSTS500014 or AADSTS90014 is the answer.",
        check: requests::v1_scope,
    },
    Rule {
        id: "v2-resource",
        level: Problem,
        title: "resource is sent to a v2 endpoint, which reads scope",
        instead: "send scope=AUDIENCE/.default, or ask the v1 endpoint with resource",
        why: "/oauth2/v2.0/token takes a scope. With resource it answers AADSTS901002.",
        check: requests::v2_resource,
    },
    Rule {
        id: "missing-default",
        level: Problem,
        title: "the scope of an application's own token does not end with /.default",
        instead: "write one scope: the audience of the API with /.default behind it",
        why: "With client credentials an application gets everything that it was granted on one API, so it can name the API alone: \
              https://graph.microsoft.com/.default. A single permission or several scopes are AADSTS1002012 or AADSTS70011.",
        check: requests::missing_default,
    },
    Rule {
        id: "resource-slash",
        level: Problem,
        title: "the slash at the end of an audience is missing",
        instead: "copy the audience from `entra resources`",
        why: "Audiences are compared letter for letter. The v2 endpoint cuts the scope at its last slash, so an audience that ends with a \
              slash needs two: https://database.windows.net//.default. With one, Azure SQL rejects the token.",
        check: urls::resource_slash,
    },
    Rule {
        id: "doubled-slash",
        level: Note,
        title: "a slash too many stands before .default",
        instead: "copy the scope from `entra resources`",
        why: "The v2 endpoint cuts the scope at its last slash: two slashes make a token whose audience ends with one. Few APIs take \
              both. Azure SQL needs it.",
        check: urls::doubled_slash,
    },
    Rule {
        id: "common-app-only",
        level: Problem,
        title: "an application asks for its own token without naming a tenant",
        instead: "put the tenant's ID or domain where common, organizations or consumers stands",
        why: "An application's own token is issued by one tenant. At common the service cannot know which: AADSTS50194 or AADSTS90002, or a \
              token of the wrong tenant.",
        check: requests::common_app_only,
    },
    Rule {
        id: "no-tenant",
        level: Problem,
        title: "the URL of an endpoint has no tenant",
        instead: "write https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
        why: "The tenant is the first part of the path. Without it, there is no such endpoint (404).",
        check: requests::no_tenant,
    },
    Rule {
        id: "endpoint-slash",
        level: Problem,
        title: "the host of the authority and the tenant are put together without a slash",
        instead: "end the setting with a slash, or put one between the two",
        why: "AAD_ENDPOINT + TENANT_ID becomes https://login.microsoftonline.comTENANT, which is another host or none.",
        check: urls::endpoint_slash,
    },
    Rule {
        id: "blank-in-value",
        level: Problem,
        title: "a blank stands around a value",
        instead: "take the blank out",
        why: "A blank is part of the value: an authority that begins with one is no URL, and an ID with one is not found.",
        check: values::blank_in_value,
    },
    Rule {
        id: "secret-id",
        level: Problem,
        title: "a client secret is a GUID: that is the ID of a secret",
        instead: "copy the secret's Value, which is shown once; the Secret ID is something else",
        why: "The portal shows \"Value\" and \"Secret ID\" side by side. The ID is answered with AADSTS7000215.",
        check: secrets::secret_id,
    },
    Rule {
        id: "secret-in-file",
        level: Problem,
        title: "a client secret or a private key stands in the file",
        instead: "take it out, replace it at the registration, and read it from the environment or a file that is not checked in",
        why: "Whoever can read the file, or any older version of it, can act as the application.",
        check: secrets::secret_in_file,
    },
    Rule {
        id: "token-in-file",
        level: Note,
        title: "a token or a signed assertion stands in the file",
        instead: "shorten it: even one that has expired names tenants, applications and users",
        why: "Everyone who has it can use it until it expires: a token for an hour to a day, an assertion mostly for ten minutes.",
        check: secrets::token_in_file,
    },
    Rule {
        id: "placeholder",
        level: Problem,
        title: "a placeholder is not replaced",
        instead: "put the value of your application there",
        why: "The service is sent the words of the sample: AADSTS900023 (tenant), AADSTS700016 (application) or AADSTS7000215 (secret).",
        check: values::placeholder,
    },
    Rule {
        id: "redirect-http",
        level: Problem,
        title: "a redirect URI is plain http, and not on this machine",
        instead: "use https; http is for localhost alone",
        why: "The code comes back through it, and others on the network can read it. The service registers no such URI.",
        check: urls::redirect_http,
    },
    Rule {
        id: "tls-off",
        level: Problem,
        title: "the check of certificates is turned off",
        instead: "trust the CA that you mean: NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, REQUESTS_CA_BUNDLE",
        why: "Without the check, others on the network can read the secret and the token.",
        check: values::tls_off,
    },
    Rule {
        id: "old-host",
        level: Problem,
        title: "an old host of the token service",
        instead: "write login.microsoftonline.com",
        why: "Older names answer still or no more, and are in no new document: tokens, caches and firewalls name the new host.",
        check: urls::old_host,
    },
    Rule {
        id: "azure-ad-graph",
        level: Problem,
        title: "Azure AD Graph (graph.windows.net) is retired",
        instead: "call Microsoft Graph: https://graph.microsoft.com",
        why: "The API answers no more. Its permissions do not carry over: grant those of Microsoft Graph.",
        check: urls::azure_ad_graph,
    },
    Rule {
        id: "adal",
        level: Note,
        title: "ADAL is at the end of its life",
        instead: "use MSAL, or this library",
        why: "The Azure AD Authentication Libraries get no fixes since June 2023. They speak to the v1 endpoint alone.",
        check: values::adal,
    },
];
