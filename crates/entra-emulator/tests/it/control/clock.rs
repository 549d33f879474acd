//! The clock.

use std::time::Duration;

use entra_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::control::{SCOPE, emulator, get_ok, post_error, post_ok, request_token};
use crate::support::{access_token, get_as};

#[test]
fn clock_is_read_and_set() {
    let emulator = Emulator::builder().build();
    let set = |body: Value| post_ok(&emulator, "/v1/clock", body);
    assert_eq!(get_ok(&emulator, "/v1/clock")["frozen"], false);
    let expected = json!({"now_at": "2030-01-02T03:04:05Z", "now_on": 1_893_553_445, "frozen": true});
    assert_eq!(set(json!({"frozen": true, "set": "2030-01-02T03:04:05Z"})), expected);
    assert_eq!(set(json!({"set": "2030-01-02T04:04:05.25+01:00"})), expected);
    assert_eq!(set(json!({"set": 1_893_553_440, "advance_seconds": 5})), expected);
    assert_eq!(get_ok(&emulator, "/v1/clock"), expected);
    assert_eq!(set(json!({"advance_seconds": 3600}))["now_at"], "2030-01-02T04:04:05Z");
    assert_eq!(set(json!({"set": "1970-01-01T00:00:00Z"}))["now_on"], 0);
    assert_eq!(
        set(json!({"set": 253_402_300_799_u64}))["now_at"],
        "9999-12-31T23:59:59Z"
    );
    let (_, response) = post_error(&emulator, "/v1/clock", r#"{"advance_seconds":1}"#);
    assert_eq!(response["member"], "advance_seconds");
    let (_, response) = post_error(
        &emulator,
        "/v1/clock",
        r#"{"frozen":false,"advance_seconds":1,"set":253402300799}"#,
    );
    assert_eq!(response["member"], "advance_seconds");
    assert_eq!(
        get_ok(&emulator, "/v1/clock")["frozen"],
        true,
        "a rejected request changes nothing"
    );
    assert_eq!(set(json!({"frozen": false, "set": 100}))["frozen"], false);
}

#[test]
fn numbers_may_be_written_as_floats() {
    let emulator = emulator();
    let set = |body: Value| post_ok(&emulator, "/v1/clock", body)["now_on"].clone();
    assert_eq!(set(json!({"advance_seconds": 3600.0})), 1_700_003_600);
    assert_eq!(set(json!({"advance_seconds": -0.0})), 1_700_003_600);
    assert_eq!(set(json!({"set": 1_700_000_000.75})), 1_700_000_000);
    post_ok(
        &emulator,
        "/v1/faults",
        json!({"status": 429.0, "retry_after": 2.0, "times": 1.0}),
    );
    assert_eq!(request_token(&emulator).status(), 429);
    post_ok(&emulator, "/v1/faults", json!({"date_skew": -60.0}));
    assert_eq!(
        request_token(&emulator).headers()["date"],
        "Tue, 14 Nov 2023 22:12:20 GMT"
    );
}

#[test]
fn clock_beyond_the_year_9999_can_be_frozen() {
    let emulator = Emulator::builder().build();
    let last = json!({"now_at": "9999-12-31T23:59:59Z", "now_on": 253_402_300_799_u64, "frozen": true});
    let beyond = Duration::from_secs(253_402_300_800);
    emulator.clock().set(std::time::SystemTime::UNIX_EPOCH + beyond);
    assert_eq!(post_ok(&emulator, "/v1/clock", json!({"frozen": true})), last);
    assert_eq!(post_ok(&emulator, "/v1/clock", json!({"set": 5}))["now_on"], 5);
}

#[test]
fn token_expires_when_the_clock_advances() {
    let emulator = emulator();
    let old = access_token(&emulator, SCOPE.1);
    assert_eq!(get_as(&emulator, "/v1.0/users", &old).status(), 200);
    post_ok(&emulator, "/v1/clock", json!({"advance_seconds": 7200}));
    assert_eq!(get_as(&emulator, "/v1.0/users", &old).status(), 401);
    let new = access_token(&emulator, SCOPE.1);
    assert_eq!(get_as(&emulator, "/v1.0/users", &new).status(), 200);
}
