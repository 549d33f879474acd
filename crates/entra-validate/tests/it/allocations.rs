//! The memory use of a validated request.

use allocation_counter::measure;
use entra_validate::Validator;
use serde_json::json;

use crate::support::{Clock, Cloud, api, daemon, daemon_v1, user};

/// The most allocations of a validated request whose keys are known.
const MOST: u64 = 25;

#[test]
fn validated_request_allocates_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (cloud, clock) = (Cloud::new(), Clock::new());
    let validator = Validator::with_clock(api(), cloud.transport(), clock.reader());
    let mut roles: Vec<String> = (0..20).map(|at| format!("Role.{at}")).collect();
    roles.push("ToDoList.Read.All".to_owned());
    for forge in [
        daemon(),
        daemon_v1(),
        user(),
        daemon().with("roles", json!(roles)).with("xms_cc", json!(["cp1"])),
    ] {
        let token = forge.sign();
        runtime.block_on(validator.validate(&token)).unwrap();
        let cost = measure(|| runtime.block_on(validator.validate(&token)).map(drop).unwrap());
        assert!(cost.count_total <= MOST, "{} allocations", cost.count_total);
        assert!(cost.bytes_total < 8 * 1024, "{} bytes", cost.bytes_total);
    }
}

#[test]
fn hostile_token_is_bounded_in_memory() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let validator = Validator::with_clock(api(), Cloud::new().transport(), Clock::new().reader());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"x"}"#);
    for payload in [
        "[".repeat(11_000),
        format!("{{\"roles\":[{}\"\"]}}", "[],".repeat(3_500)),
        format!("{{\"roles\":[{}\"a\"]}}", "\"a\",".repeat(2_600)),
        format!(
            "{{{}\"z\":1}}",
            (0..1300).map(|at| format!("\"{at}\":1,")).collect::<String>()
        ),
        format!("{{\"roles\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000)),
    ] {
        let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(payload));
        let cost = measure(|| drop(runtime.block_on(validator.validate(&token))));
        assert!(cost.bytes_max < 128 * 1024, "{} bytes", cost.bytes_max);
    }
    let long = "x.".repeat(1 << 20);
    let cost = measure(|| drop(runtime.block_on(validator.validate(&long))));
    assert!(cost.bytes_max < 1024, "{} bytes", cost.bytes_max);
}

#[test]
fn hostile_keys_are_bounded_in_memory() {
    use entra_proto::EndpointVersion;
    use entra_validate::{KeySet, Metadata};
    let document = json!({
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
        "jwks_uri": "https://login.microsoftonline.com/common/discovery/v2.0/keys",
    });
    let metadata = Metadata::read(&api(), EndpointVersion::V2, document.to_string().as_bytes()).unwrap();
    for entry in ["0", "{}", "[]"] {
        let entries = format!("{entry},").repeat(500 * 1024 / (entry.len() + 1));
        let document = format!("{{\"keys\":[{entries}0]}}");
        let cost = measure(|| assert!(KeySet::read(&metadata, document.as_bytes()).is_err()));
        assert!(cost.bytes_max < 256 * 1024, "{} bytes for {entry}", cost.bytes_max);
    }
}
