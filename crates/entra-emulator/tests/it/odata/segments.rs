//! Paths and methods.

use http::Request;

use crate::odata::{World, error, message};
use crate::support::{get, json_body};

#[test]
fn resources_are_found_by_key() {
    let world = World::new();
    let user = &world.emulator.tenants()[0].users.as_ref().unwrap()[2];
    let app = &world.emulator.apps()[1];
    for (path, name) in [
        (format!("v1.0/users('{}')", user.id), "Alex Wilber"),
        (format!("V1.0/Users/{}", user.user_principal_name), "Alex Wilber"),
        (format!("v1.0/users('{}')", user.user_principal_name), "Alex Wilber"),
        (format!("v1.0/applications('{}')", app.object_id), "other"),
        (format!("v1.0/applications(appId='{}')", app.client_id), "other"),
    ] {
        let response = world.get(&format!("/{path}"));
        assert_eq!(json_body(&response)["displayName"], name, "{path}");
    }
}

#[test]
fn unimplemented_segments_get_501() {
    let world = World::new();
    let id = world.emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    for (path, named) in [
        ("/v1.0/devices", "'devices'"),
        ("/v1.0/planets", "'planets'"),
        ("/v1.0/me/messages", "'messages'"),
        ("/v1.0/users/delta", "'delta'"),
        ("/v1.0/users/delta()", "'delta()'"),
        ("/v1.0/users/$ref", "'$ref'"),
        (&format!("/v1.0/users/{id}/transitiveMemberOf"), "'transitiveMemberOf'"),
        (&format!("/v1.0/users('{id}')/manager"), "'manager'"),
        ("/v1.0/users(", "'users('"),
        ("/v1.0/applications/$count/x", "'x'"),
        ("/v1.0/groups/x/owners", "'owners'"),
        ("/v1.0/groups/x/members/$ref", "'$ref'"),
        ("/v1.0/groups(appId='x')", "'groups(appId='"),
        (
            "/v1.0/servicePrincipals/x/oauth2PermissionGrants",
            "'oauth2PermissionGrants'",
        ),
        ("/v1.0/$batch", "'$batch'"),
        ("/v1.0/", "service document"),
        ("/beta/users", "beta"),
        ("/Beta", "beta"),
        ("/v1.0/%00%1b[31m", "[31m"),
    ] {
        // The error does not depend on a token.
        for response in [world.get(path), get(&world.emulator, path)] {
            assert_eq!(error(&response), (501, "not_emulated".to_owned()), "{path}");
            assert!(message(&response).contains(named), "{path}: {}", message(&response));
            assert!(!message(&response).contains('\u{1b}'));
        }
    }
    assert_eq!(world.get("/v1.0/$metadata").status(), 200);
    assert_eq!(error(&world.get("/v1.0/$metadata?$format=json")).0, 501);
}

#[test]
fn unimplemented_methods_get_501() {
    let world = World::new();
    let id = world.emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    for (method, path) in [
        ("POST", "/v1.0/users".to_owned()),
        ("PATCH", format!("/v1.0/users/{id}")),
        ("DELETE", format!("/v1.0/users/{id}")),
        ("PUT", "/v1.0/applications".to_owned()),
        ("POST", "/v1.0/$batch".to_owned()),
        ("HEAD", "/v1.0/me".to_owned()),
        ("POST", "/v1.0/$metadata".to_owned()),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path.as_str())
            .header("authorization", format!("Bearer {}", world.token));
        let response = world.emulator.handle(request.body(Vec::new()).unwrap());
        assert_eq!(error(&response), (501, "not_emulated".to_owned()), "{method} {path}");
        assert!(
            path.contains('$') || message(&response).contains(method),
            "{}",
            message(&response)
        );
    }
}
