//! The part of JSON-RPC 2.0 that a server with tools needs.

use entra_validate::Principal;
use http::StatusCode;
use serde_json::{Value, json};

/// The protocol revisions that the server supports, the newest first.
pub(crate) const VERSIONS: [&str; 2] = ["2025-06-18", "2025-03-26"];

/// The reply to a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    /// A notification or a response of the client, which gets no response.
    Accepted,
    Json(StatusCode, Value),
}

/// Returns the reply to a message from this caller.
pub(crate) fn respond(caller: &Principal, message: &[u8]) -> Reply {
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
        (None, Some(_)) => return Reply::Accepted,
        (Some(_), None) if message.get("result").is_some() || message.get("error").is_some() => {
            return Reply::Accepted;
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
            // If the client requests an unsupported revision, the server offers one that it
            // supports.
            "protocolVersion": VERSIONS.iter().find(|it| parameters["protocolVersion"] == **it).unwrap_or(&VERSIONS[0]),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "mcp_server", "version": env!("CARGO_PKG_VERSION")},
        }),
        "ping" => json!({}),
        "tools/list" => json!({"tools": [{
            "name": "whoami",
            "description": "Describes the caller: the kind of the caller, the tenant, the object ID and the application.",
            "inputSchema": {"type": "object", "additionalProperties": false},
        }]}),
        "tools/call" if parameters["name"] == "whoami" => {
            let caller = describe(caller);
            json!({"content": [{"type": "text", "text": caller.to_string()}], "structuredContent": caller, "isError": false})
        }
        "tools/call" => return error(StatusCode::OK, id, -32602, "there is no such tool"),
        _ => return error(StatusCode::OK, id, -32601, "there is no such method"),
    };
    Reply::Json(StatusCode::OK, json!({"jsonrpc": "2.0", "id": id, "result": result}))
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

fn error(status: StatusCode, id: &Value, code: i32, message: &str) -> Reply {
    Reply::Json(
        status,
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}),
    )
}
