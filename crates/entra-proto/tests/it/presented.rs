//! Assertions of other issuers, read without verification.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::federation::{AssertionProblem, PresentedAssertion, Workload};
use entra_proto::{Cloud, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const EXCHANGE: &str = "api://AzureADTokenExchange";
/// The audience of tokens that Entra issues for the exchange.
const EXCHANGE_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";

fn jwt(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.canary", part(header), part(claims))
}

fn read(claims: &Value) -> PresentedAssertion {
    PresentedAssertion::read(&jwt(&json!({ "alg": "RS256" }), claims)).unwrap()
}

fn issued(issuer: &str, subject: &str) -> PresentedAssertion {
    let (now, end) = (NOW.as_secs(), NOW.as_secs() + 300);
    read(&json!({ "iss": issuer, "sub": subject, "aud": EXCHANGE, "iat": now, "exp": end }))
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const ENTRA: &str = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
const PIPELINE: &str = "/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/sc/11111111-2222-3333-4444-555555555555/66666666-7777-8888-9999-000000000000";

#[test]
fn workload_is_recognized_by_issuer_and_subject() {
    for (issuer, subject, workload, name) in [
        (
            GITHUB,
            "repo:contoso/app:ref:refs/heads/main",
            "GitHub Actions, repository contoso/app, branch main",
            "github-contoso-app-main",
        ),
        (
            "https://token.actions.fabrikam.ghe.com",
            "repo:o@12/r@34:environment:prod%3Aeu",
            "GitHub Actions, repository o/r (owner ID 12, repository ID 34), environment prod:eu",
            "github-o-r-prod-eu",
        ),
        (
            "https://github.example/_services/token",
            "repo:o/r:ref:refs/tags/v1",
            "GitHub Actions, repository o/r, tag v1",
            "github-o-r-refs-tags-v1",
        ),
        (
            "https://vstoken.dev.azure.com/11111111-2222-3333-4444-555555555555",
            "sc://contoso/billing/deploy",
            "Azure Pipelines, organization contoso, project billing, service connection deploy",
            "azure-pipelines-billing-deploy",
        ),
        (
            "https://vstoken.dev.azure.com/11111111-2222-3333-4444-555555555555",
            "p://contoso/billing/nightly",
            "Azure Pipelines, organization contoso, project billing, pipeline nightly",
            "azure-pipelines-billing-nightly",
        ),
        (
            ENTRA,
            PIPELINE,
            "Azure Pipelines, tenant ff882432-09b0-437b-bd22-ca13c0037ded, organization 11111111-2222-3333-4444-555555555555, service connection 66666666-7777-8888-9999-000000000000",
            "azure-pipelines-66666666-7777-8888-9999-000000000000",
        ),
        (
            ENTRA,
            "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "the service principal with the object ID aaaabbbb-0000-cccc-1111-dddd2222eeee in the tenant 11111111-2222-3333-4444-555555555555",
            "managed-identity-aaaabbbb-0000-cccc-1111-dddd2222eeee",
        ),
        (
            "https://oidc.prod-aks.azure.com/x/",
            "system:serviceaccount:billing:report",
            "Kubernetes, namespace billing, service account report",
            "kubernetes-billing-report",
        ),
        (
            "https://gitlab.example",
            "project_path:contoso/web/app:ref_type:branch:ref:main",
            "GitLab, project contoso/web/app, branch main",
            "gitlab-contoso-web-app-main",
        ),
        (
            "https://app.terraform.io",
            "organization:o:project:p:workspace:w:run_phase:apply",
            "Terraform Cloud, organization:o:project:p:workspace:w:run_phase:apply",
            "terraform-organization-o-project-p-workspace-w-run-phase-apply",
        ),
        (
            "https://accounts.google.com",
            "1172",
            "Google Cloud, service account 1172",
            "google-1172",
        ),
        (
            "https://oidc.example",
            "spiffe://contoso/billing",
            "the workload with the SPIFFE ID spiffe://contoso/billing",
            "spiffe-contoso-billing",
        ),
        (
            "https://oidc.example",
            "robot",
            "a workload of an unknown platform",
            "federated-credential",
        ),
        // The issuer decides: anyone can choose a subject.
        (
            "https://oidc.example",
            "repo:contoso/app:ref:refs/heads/main",
            "a workload of an unknown platform",
            "federated-credential",
        ),
        (
            "https://login.microsoftonline.com.evil.example/11111111-2222-3333-4444-555555555555/v2.0",
            "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "a workload of an unknown platform",
            "federated-credential",
        ),
        (
            "https://token.actions.githubusercontent.com.evil.example",
            "repo:contoso/app:pull_request",
            "a workload of an unknown platform",
            "federated-credential",
        ),
    ] {
        let assertion = issued(issuer, subject);
        assert_eq!(assertion.workload().to_string(), workload, "{issuer} {subject}");
        let registration = assertion.registration(&Cloud::Public).unwrap();
        assert_eq!((registration.name(), registration.issuer()), (name, issuer));
        assert_eq!(
            (registration.subject(), registration.audience()),
            (Some(subject), EXCHANGE)
        );
        assert_eq!(assertion.problems(&Cloud::Public, NOW), [], "{issuer} {subject}");
    }
}

#[test]
fn registration_is_the_body_of_a_graph_request() {
    let json = issued(GITHUB, "repo:contoso/app:ref:refs/heads/main")
        .registration(&Cloud::Public)
        .unwrap()
        .to_json();
    assert_eq!(
        json,
        concat!(
            "{\n",
            "  \"name\": \"github-contoso-app-main\",\n",
            "  \"issuer\": \"https://token.actions.githubusercontent.com\",\n",
            "  \"subject\": \"repo:contoso/app:ref:refs/heads/main\",\n",
            "  \"audiences\": [\"api://AzureADTokenExchange\"]\n",
            "}",
        )
    );
}

#[test]
fn managed_identity_is_registered_with_the_cloud_audience() {
    let object_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let assertion = read(&json!({
        "iss": ENTRA, "sub": object_id, "aud": EXCHANGE_ID, "iat": NOW.as_secs(), "exp": NOW.as_secs() + 86_400,
        "xms_mirid": "/subscriptions/s", "idtyp": "app",
    }));
    assert!(
        assertion
            .workload()
            .to_string()
            .starts_with("the managed identity with the object ID aaaabbbb")
    );
    assert_eq!(assertion.problems(&Cloud::Public, NOW), []);
    for cloud in [Cloud::Public, Cloud::UsGovernment, Cloud::China] {
        let registration = assertion.registration(&cloud).unwrap();
        assert_eq!(registration.audience(), cloud.token_exchange_audience());
        assert_eq!(
            (registration.issuer(), registration.subject()),
            (ENTRA, Some(object_id))
        );
    }
}

#[test]
fn subject_of_github_has_another_form() {
    let claims = json!({
        "iss": GITHUB, "sub": "repo:contoso/app:pull_request", "aud": EXCHANGE,
        "repository_owner_id": "4711", "repository_id": "4712",
    });
    let with_ids = "repo:contoso@4711/app@4712:pull_request";
    assert_eq!(read(&claims).other_subject().unwrap().to_string(), with_ids);
    let other = issued(GITHUB, with_ids).other_subject().unwrap();
    assert_eq!(other.to_string(), "repo:contoso/app:pull_request");
    assert_eq!(issued(GITHUB, "repo:contoso/app:pull_request").other_subject(), None);
    assert_eq!(issued("https://oidc.example", with_ids).other_subject(), None);
}

#[test]
fn expression_matches_every_branch_of_a_project() {
    for (issuer, subject, expression) in [
        (
            GITHUB,
            "repo:o/r:environment:e",
            Some("claims['sub'] matches 'repo:o/r:*'"),
        ),
        (
            GITHUB,
            "repo:o@1/r@2:pull_request",
            Some("claims['sub'] matches 'repo:o@1/r@2:*'"),
        ),
        (
            "https://gitlab.com",
            "project_path:g/p:ref_type:branch:ref:main",
            Some("claims['sub'] matches 'project_path:g/p:*'"),
        ),
        (
            "https://app.terraform.io",
            "organization:o:project:p:workspace:w:run_phase:plan",
            Some("claims['sub'] matches 'organization:o:project:p:workspace:w:run_phase:*'"),
        ),
        ("https://oidc.example/", "system:serviceaccount:a:b", None),
        // Neither the end of the pattern nor wider patterns come from the assertion.
        (GITHUB, "repo:o/r' or claims['sub'] matches '*:pull_request", None),
        (GITHUB, "repo:o/*:pull_request", None),
        (GITHUB, "repo:o/r?:pull_request", None),
    ] {
        assert_eq!(
            issued(issuer, subject).workload().expression().as_deref(),
            expression,
            "{subject}"
        );
    }
}

#[test]
fn problems_name_the_code_of_the_service() {
    let good = json!({
        "iss": ENTRA, "sub": "s", "aud": EXCHANGE, "nbf": NOW.as_secs(), "exp": NOW.as_secs() + 90_000,
    });
    assert_eq!(read(&good).problems(&Cloud::Public, NOW), []);
    let (now, old) = (
        NOW.as_secs(),
        ENTRA.replace("login.microsoftonline.com", "sts.windows.net"),
    );
    let old = old.trim_end_matches("v2.0");
    for (claim, value, problem, code) in [
        ("iss", Value::Null, "no claim iss", None),
        ("sub", json!(7), "no claim sub", None),
        ("aud", json!({}), "no claim aud", None),
        ("exp", Value::Null, "no claim exp", None),
        ("sub", json!("x".repeat(601)), "more than 600 characters", None),
        (
            "aud",
            json!(["api://AzureADTokenExchange", "b"]),
            "more than one audience",
            None,
        ),
        (
            "aud",
            json!("api://AKSIdentityBinding"),
            "is not api://AzureADTokenExchange",
            Some(700_212),
        ),
        ("exp", json!(now), "expired at 2026-01-01T00:00:00Z", Some(700_024)),
        (
            "exp",
            json!(now + 90_001),
            "more than one day and one hour",
            Some(70_023),
        ),
        ("nbf", json!(now + 301), "not valid before", Some(700_024)),
        ("iss", json!(old), "v1 token", Some(7_002_121)),
        ("scp", json!("A.Read"), "of a user", Some(700_229)),
        ("idtyp", json!("user"), "of a user", Some(700_229)),
        (
            "xms_ficinfo",
            json!("x"),
            "acquired with a federated credential",
            Some(700_231),
        ),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let problems = read(&claims).problems(&Cloud::Public, NOW);
        assert_eq!(problems.len(), 1, "{claim}: {problems:?}");
        assert!(problems[0].to_string().contains(problem), "{claim}: {}", problems[0]);
        assert_eq!(problems[0].code(), code, "{claim}");
        assert!(!problems[0].hint().is_empty());
        if let Some(code) = code {
            assert!(
                entra_proto::error::Aadsts::all().iter().any(|row| row.code == code),
                "{code}"
            );
        }
    }
    let assertion = PresentedAssertion::read(&jwt(&json!({ "alg": "ES256" }), &good)).unwrap();
    assert_eq!(assertion.problems(&Cloud::Public, NOW), [AssertionProblem::Algorithm]);
    let china = Cloud::China.token_exchange_audience();
    assert_eq!(
        read(&good).problems(&Cloud::China, NOW),
        [AssertionProblem::OtherAudience { expected: china }]
    );
}

#[test]
fn own_claims_of_another_issuer_are_not_those_of_entra() {
    let claims = json!({
        "iss": "https://oidc.example", "sub": "s", "aud": EXCHANGE, "exp": NOW.as_secs() + 60, "scp": "a",
        "xms_ficinfo": "x",
    });
    assert_eq!(read(&claims).problems(&Cloud::Public, NOW), []);
}

#[test]
fn signature_and_other_claims_are_never_shown() {
    let claims =
        json!({ "iss": GITHUB, "sub": "repo:o/r:pull_request", "aud": EXCHANGE, "jti": "canary", "x": "canary" });
    let assertion =
        PresentedAssertion::read(&format!("Bearer {}\n", jwt(&json!({ "alg": "canary" }), &claims))).unwrap();
    let registration = assertion.registration(&Cloud::Public).unwrap();
    let mut shown = format!("{registration:?} {} {}", registration.to_json(), assertion.workload());
    for problem in assertion.problems(&Cloud::Public, NOW) {
        shown += &format!("{problem} {problem:?} {}", problem.hint());
    }
    assert!(!shown.contains("canary"), "{shown}");
    for bad in ["canary", "canary.canary.canary", "a.b.c.d.e"] {
        let error = PresentedAssertion::read(bad).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn control_characters_of_a_subject_are_escaped() {
    let subject = "system:serviceaccount:a\u{1b}[31m:b\u{202e}\n";
    let assertion = issued("https://oidc.example/", subject);
    let shown = assertion.workload().to_string();
    assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown:?}");
    let json = assertion.registration(&Cloud::Public).unwrap().to_json();
    assert!(json.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{json:?}");
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["subject"], subject);
}

#[test]
fn assertion_without_issuer_cannot_be_registered() {
    let error = read(&json!({ "sub": "s" })).registration(&Cloud::Public).unwrap_err();
    assert!(
        error.to_string().contains("no claim iss") && error.hint().is_some(),
        "{error}"
    );
    let long = issued(GITHUB, &"s".repeat(601))
        .registration(&Cloud::Public)
        .unwrap_err();
    assert!(long.to_string().contains("600 characters"), "{long}");
}

proptest! {
    #[test]
    fn any_claims_are_read_and_registered_exactly(issuer in ".{1,60}", subject in ".{1,60}", audience in ".{1,60}") {
        let assertion = read(&json!({ "iss": issuer, "sub": subject, "aud": [audience] }));
        let registration = assertion.registration(&Cloud::Public).unwrap();
        let value: Value = serde_json::from_str(&registration.to_json()).unwrap();
        prop_assert_eq!(&value["issuer"], &issuer);
        prop_assert_eq!(&value["subject"], &subject);
        prop_assert_eq!(&value["audiences"], &json!([audience]));
        let name = registration.name().to_owned();
        prop_assert!(registration.with_name(&name).is_ok(), "{}", name);
        prop_assert!(assertion.workload().to_string().chars().all(|c| !c.is_control()));
        let _ = assertion.problems(&Cloud::Public, NOW);
    }

    #[test]
    fn subjects_are_written_as_they_were_read(subject in "repo:[a-z@0-9]{1,4}/[a-z@0-9.]{1,4}:(ref:|environment:|pull_request|)[a-z:%3A/@]{0,9}") {
        if let Workload::GitHubActions(parsed) = issued(GITHUB, &subject).workload() {
            prop_assert_eq!(parsed.to_string(), subject);
        }
    }
}
