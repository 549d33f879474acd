//! The routes, and the wire format of requests and responses.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use entra_proto::Guid;
use entra_tower::{RequirePermissions, RequireToken};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::util::MapRequest;
use tower_http::cors::CorsLayer;

use crate::common::note;
use crate::reach::Reach;
use crate::store::{Store, StoreError, ToDo};

/// The path of the list.
pub(crate) const PATH: &str = "/api/todolist";

/// The layers that control access to the handlers.
pub(crate) struct Guards {
    pub(crate) token: RequireToken,
    pub(crate) read: RequirePermissions,
    pub(crate) write: RequirePermissions,
    /// The origins whose pages may call the API.
    pub(crate) origins: Vec<HeaderValue>,
}

/// Returns the routes, with the guards around them.
pub(crate) fn router(store: Store, guards: Guards) -> Router {
    let Guards {
        token,
        read,
        write,
        origins,
    } = guards;
    let all = get(list).layer(read.clone()).merge(post(add).layer(write.clone()));
    let each = get(one).layer(read).merge(put(change).delete(remove).layer(write));
    let routes = Router::new()
        .route(PATH, all)
        .route(&format!("{PATH}/{{id}}"), each)
        .fallback(|| async { Problem::NOT_FOUND })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        // Around all routes: a request without a valid token learns nothing, and its body is not
        // read.
        .layer(token)
        // Outside the token layer: preflight requests have no token, and a page must be able to
        // read why it was rejected.
        .layer(cors(origins))
        .with_state(Arc::new(store));
    // The samples' framework ignores letter case in paths. Layers of a router run after its
    // routing, so the path is changed before it.
    Router::new().fallback_service(MapRequest::new(routes, with_lower_case_path))
}

fn with_lower_case_path(mut request: Request) -> Request {
    let uri = request.uri();
    let lower = uri.path().to_ascii_lowercase();
    let path = match uri.query() {
        Some(query) => format!("{lower}?{query}"),
        None => lower,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([LOCATION, WWW_AUTHENTICATE])
}

async fn list(State(store): State<Arc<Store>>, reach: Reach) -> Result<Response, Problem> {
    let todos = on_store(store, move |store| store.list(&reach)).await?;
    Ok(json_response(StatusCode::OK, &todos))
}

async fn one(State(store): State<Arc<Store>>, reach: Reach, id: Id) -> Result<Response, Problem> {
    let id = number(&id)?;
    let todo = on_store(store, move |store| store.get(&reach, id)).await?;
    Ok(json_response(StatusCode::OK, &todo.ok_or(Problem::NOT_FOUND)?))
}

async fn add(
    State(store): State<Arc<Store>>,
    reach: Reach,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let input = Input::read(&headers, &body)?;
    let owner = input.owner(&reach)?;
    let todo = on_store(store, move |store| store.add(&reach, owner, &input.description)).await?;
    let location = HeaderValue::from_str(&format!("{PATH}/{}", todo.id)).expect("a path of ASCII is a header");
    Ok(([(LOCATION, location)], json_response(StatusCode::CREATED, &todo)).into_response())
}

async fn change(
    State(store): State<Arc<Store>>,
    reach: Reach,
    id: Id,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = number(&id)?;
    let input = Input::read(&headers, &body)?;
    let todo = on_store(store, move |store| store.change(&reach, id, &input.description)).await?;
    Ok(json_response(StatusCode::OK, &todo.ok_or(Problem::NOT_FOUND)?))
}

async fn remove(State(store): State<Arc<Store>>, reach: Reach, id: Id) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    match on_store(store, move |store| store.remove(&reach, id)).await? {
        true => Ok(StatusCode::OK),
        false => Err(Problem::NOT_FOUND),
    }
}

type Id = Path<String>;

/// Parses the ID of a to-do. A text that is not a number names no to-do.
fn number(Path(id): &Id) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::NOT_FOUND)
}

/// Runs a method of the store on a thread that may block.
async fn on_store<T: Send + 'static>(
    store: Arc<Store>,
    call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(move || call(&store)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(StoreError::Full)) => Err(Problem {
            status: StatusCode::CONFLICT,
            title: "The list of this owner is full.",
        }),
        Ok(Err(StoreError::Failed(error))) => {
            note(&format!("the database: {error}"));
            Err(Problem::BROKEN)
        }
        Err(_) => Err(Problem::BROKEN),
    }
}

/// The body of a request. Other members, such as `id`, are ignored as in the samples.
#[derive(Deserialize)]
struct Input {
    #[serde(default, alias = "Owner")]
    owner: Option<String>,
    #[serde(alias = "Description")]
    description: String,
}

impl Input {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                title: "The body is not application/json.",
            });
        }
        let input: Self = serde_json::from_slice(body).map_err(|_| {
            Problem::bad("The body is not a to-do: an object with a description and, for applications, an owner.")
        })?;
        if input.description.chars().count() > LONGEST_DESCRIPTION {
            return Err(Problem::bad("The description is longer than 1000 characters."));
        }
        Ok(input)
    }

    /// Returns the owner of a new to-do: the user who calls, or the one that an application names.
    fn owner(&self, reach: &Reach) -> Result<Guid, Problem> {
        match (&self.owner, reach.owner()) {
            (_, Some(user)) => Ok(user),
            (Some(owner), None) => owner.parse().map_err(|_| Problem::bad("The owner is not a GUID.")),
            (None, None) => Ok(reach.object_id),
        }
    }
}

fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, headers("application/json; charset=utf-8"), body).into_response(),
        Err(_) => Problem::BROKEN.into_response(),
    }
}

/// Each list belongs to one caller, so no cache may store it.
fn headers(content_type: &'static str) -> [(http::HeaderName, &'static str); 3] {
    [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]
}

/// An error response (RFC 9457).
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    title: &'static str,
}

impl Problem {
    const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        title: "Not Found",
    };
    const BROKEN: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Internal Server Error",
    };

    fn bad(title: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({"title": self.title, "status": self.status.as_u16()}).to_string();
        (self.status, headers("application/problem+json"), body).into_response()
    }
}

impl Serialize for ToDo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            id: i64,
            owner: String,
            description: &'a str,
        }
        let wire = Wire {
            id: self.id,
            owner: self.owner.to_string(),
            description: &self.description,
        };
        wire.serialize(serializer)
    }
}

const LARGEST_BODY: usize = 16 * 1024;
const LONGEST_DESCRIPTION: usize = 1000;
