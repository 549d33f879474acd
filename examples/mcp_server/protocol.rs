//! JSON-RPC 2.0, as far as a server with tools needs it.

use entra_validate::Principal;
use http::StatusCode;
use serde_json::{Value, json};

/// The revisions of the protocol that the server speaks, the newest first.
pub(crate) const VERSIONS: [&str; 2] = ["2025-06-18", "2025-03-26"];

/// What comes of a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// A notification or a response of the client: there is nothing to say to it.
    Accepted,
    Json(StatusCode, Value),
}

/// Returns the response to a message of this caller.
pub(crate) fn answer(caller: &Principal, message: &[u8]) -> Answer {
    let Ok(message) = serde_json::from_slice::<Value>(message) else {
        return error(StatusCode::BAD_REQUEST, &Value::Null, -32700, "the message is not JSON");
    };
    let id = message.get("id");
    let is_id = |id: &Value| id.is_string() || id.is_number();
    let method = message.get("method").and_then(Value::as_str);
    if message["jsonrpc"] != "2.0" || id.is_some_and(|id| !is_id(id)) {
        return error(
            StatusCode::BAD_REQUEST,
            &Value::Null,
            -32600,
            "the message is not JSON-RPC 2.0",
        );
    }
    let (id, method) = match (id, method) {
        (Some(id), Some(method)) => (id, method),
        (None, Some(_)) => return Answer::Accepted,
        (Some(_), None) if message.get("result").is_some() || message.get("error").is_some() => {
            return Answer::Accepted;
        }
        _ => {
            return error(
                StatusCode::BAD_REQUEST,
                &Value::Null,
                -32600,
                "the message has no method",
            );
        }
    };
    let parameters = &message["params"];
    let result = match method {
        "initialize" => json!({
            // A revision that the server does not speak is answered with one that it does.
            "protocolVersion": VERSIONS.iter().find(|it| parameters["protocolVersion"] == **it).unwrap_or(&VERSIONS[0]),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "mcp_server", "version": env!("CARGO_PKG_VERSION")},
        }),
        "ping" => json!({}),
        "tools/list" => json!({"tools": [{
            "name": "whoami",
            "description": "Says who calls: the kind of the caller, the tenant, the object ID and the application.",
            "inputSchema": {"type": "object", "additionalProperties": false},
        }]}),
        "tools/call" if parameters["name"] == "whoami" => {
            let caller = describe(caller);
            json!({"content": [{"type": "text", "text": caller.to_string()}], "structuredContent": caller, "isError": false})
        }
        "tools/call" => return error(StatusCode::OK, id, -32602, "there is no such tool"),
        _ => return error(StatusCode::OK, id, -32601, "there is no such method"),
    };
    Answer::Json(StatusCode::OK, json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn describe(caller: &Principal) -> Value {
    let kind = match caller {
        Principal::App(_) => "application",
        Principal::User(_) => "user",
        Principal::Agent(_) => "agent",
        _ => "other",
    };
    json!({
        "kind": kind,
        "tenant": caller.tenant().to_string(),
        "objectId": caller.object_id().to_string(),
        "application": caller.application().to_string(),
    })
}

fn error(status: StatusCode, id: &Value, code: i32, message: &str) -> Answer {
    Answer::Json(
        status,
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}),
    )
}
