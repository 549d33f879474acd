//! The query options of Graph: each is applied, or the request is rejected.

mod filters;
mod options;
mod segments;

use entra_emulator::{App, Emulator, Tenant, User};
use http::Request;
use serde_json::Value;

use crate::support::{Response, access_token, encode, get_as, json_body};

pub(super) const GRAPH: &str = "https://graph.microsoft.com/.default";

/// Seven users, and a token that may read them.
pub(super) struct World {
    pub(super) emulator: Emulator,
    pub(super) token: String,
}

impl World {
    pub(super) fn new() -> Self {
        let mut tenant = Tenant::new("contoso.example");
        for name in [
            "Ben O'Hara",
            "adele Vance",
            "Alex Wilber",
            "Megan Bowen",
            "Zoe",
            "Chris Green",
        ] {
            tenant = tenant.user(User::new(name));
        }
        let mut manager = User::new("Diego Siciliani").user_principal_name("Diego@Other.Example");
        manager.job_title = Some("Manager".to_owned());
        let app = App::new("daemon")
            .grant(Emulator::GRAPH, "User.Read.All")
            .grant(Emulator::GRAPH, "Application.Read.All");
        let emulator = Emulator::builder()
            .tenant(tenant.user(manager))
            .app(app)
            .app(App::new("other"))
            .build();
        let token = access_token(&emulator, GRAPH);
        Self { emulator, token }
    }

    pub(super) fn get(&self, path: &str) -> Response {
        get_as(&self.emulator, path, &self.token)
    }

    /// Sends a request with the header that advanced queries require.
    pub(super) fn advanced(&self, path: &str) -> Response {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("consistencylevel", "Eventual");
        self.emulator.handle(request.body(Vec::new()).unwrap())
    }

    pub(super) fn users(&self, options: &[(&str, &str)]) -> Response {
        self.get(&format!("/v1.0/users?{}", encode(options)))
    }

    pub(super) fn advanced_users(&self, options: &[(&str, &str)]) -> Response {
        self.advanced(&format!("/v1.0/users?{}", encode(options)))
    }
}

/// Returns the first names on a page.
pub(super) fn names(response: &Response) -> Vec<String> {
    let body = json_body(response);
    let users = body["value"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
    let first = |user: &Value| {
        user["displayName"]
            .as_str()
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    users.iter().map(first).collect()
}

/// Returns the status and the code of an error.
pub(super) fn error(response: &Response) -> (u16, String) {
    let body = json_body(response);
    let error = &body["error"];
    assert!(
        error["message"].is_string() && error["innerError"]["request-id"].is_string(),
        "{body}"
    );
    (response.status().as_u16(), error["code"].as_str().unwrap().to_owned())
}

pub(super) fn message(response: &Response) -> String {
    json_body(response)["error"]["message"].as_str().unwrap().to_owned()
}
