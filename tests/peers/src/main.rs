//! A validated request with entra-validate beside the validators of other projects: the same token,
//! in turns, in one run.
//!
//! `cargo xtask figures` runs it. Each validator is given the key beforehand, checks the signature,
//! the issuer, the audience and the times, and returns the claims. Ours checks more; the others
//! leave the rest to the program.

use std::future::Future;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use entra_transport::{Body, Request, Response, transport_fn};
use entra_validate::Validator;
use tower_layer::Layer;
use tower_service::Service;

#[allow(dead_code, reason = "the figures use the rest")]
#[path = "../../src/bin/figures/issued.rs"]
mod issued;

use issued::{API, ISSUER, Issued, KID, api};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let is_good = runtime.block_on(run());
    ExitCode::from(u8::from(!is_good))
}

async fn run() -> bool {
    let issued = Issued::new();
    let (token, bare) = (issued.token.as_str(), issued.bare_verification());
    let ours = ours(&issued);
    let jwt_authorizer = jwt_authorizer(&issued).await;
    let axum_jwt_auth = axum_jwt_auth(&issued);
    let resource_server = resource_server(&issued).await;
    let mut rounds: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let times = [
            time(async || bare()).await,
            time(async || drop(black_box(ours.validate(token).await.unwrap()))).await,
            time(async || drop(black_box(jwt_authorizer.check_auth(token).await.unwrap()))).await,
            time(async || drop(black_box(axum_jwt_auth.decode(token).await.unwrap()))).await,
            time(async || {
                let mut service = resource_server.clone();
                let response = service.call(request(token)).await.unwrap();
                assert_eq!(response.status(), 200);
            })
            .await,
        ];
        for (times, time) in rounds.iter_mut().zip(times) {
            times.push(time);
        }
    }
    let [bare, ours, others @ ..] = rounds.map(median);
    println!(
        "the bare verification by aws-lc-rs {}: {bare:.2} us; entra-validate: {ours:.2} us",
        version("aws-lc-rs", "")
    );
    let mut is_good = true;
    let names = [
        ("jwt-authorizer", "jsonwebtoken", "9."),
        ("axum-jwt-auth", "jsonwebtoken", "10."),
        ("tower-oauth2-resource-server", "jsonwebtoken", "11."),
    ];
    for ((name, below, major), time) in names.into_iter().zip(others) {
        let (name, below) = (
            format!("{name}-{}", version(name, "")),
            format!("{below} {}", version(below, major)),
        );
        println!(
            "{name} over {below}: {time:.2} us, {:.2} times the bare verification",
            time / bare
        );
        let ratio = (ours / time * 100.0).round() / 100.0;
        let verdict = if ratio <= 1.0 { "ok" } else { "MISSED" };
        is_good &= ratio <= 1.0;
        println!("validated-request-beside-{name}: {ratio} times its time (limit 1) {verdict}");
    }
    is_good
}

fn ours(issued: &Issued) -> Validator {
    let jwks = issued.jwks().to_string();
    let transport = transport_fn(move |request: Request| {
        let is_metadata = request.uri().path().contains("openid-configuration");
        let document = if is_metadata {
            Issued::metadata().to_string()
        } else {
            jwks.clone()
        };
        async move { Ok(Response::new(Body::from(document))) }
    });
    Validator::new(api(), transport)
}

async fn jwt_authorizer(issued: &Issued) -> jwt_authorizer::Authorizer<Claims> {
    let validation = jwt_authorizer::Validation::new().iss(&[ISSUER]).aud(&[API]).nbf(true);
    jwt_authorizer::JwtAuthorizer::from_jwks_text(&issued.jwks().to_string())
        .validation(validation)
        .build()
        .await
        .unwrap()
}

fn axum_jwt_auth(issued: &Issued) -> axum_jwt_auth::Decoder<Claims> {
    use jsonwebtoken_10::jwk::JwkSet;
    use jsonwebtoken_10::{Algorithm, DecodingKey, Validation};

    let set: JwkSet = serde_json::from_value(issued.jwks()).unwrap();
    let keys = dashmap::DashMap::new();
    keys.insert(KID.to_owned(), DecodingKey::from_jwk(&set.keys[0]).unwrap());
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[API]);
    validation.validate_nbf = true;
    let decoder = axum_jwt_auth::RemoteJwksDecoder::builder()
        .jwks_url("http://127.0.0.1:1/never".to_owned())
        .keys_cache(Arc::new(keys))
        .validation(validation)
        .build()
        .unwrap();
    Arc::new(decoder)
}

/// It validates in its layer only.
async fn resource_server(
    issued: &Issued,
) -> impl Service<http::Request<()>, Response = http::Response<String>, Error = std::convert::Infallible> + Clone {
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;
    use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

    let audiences = vec![API.to_owned()];
    let tenant = TenantConfiguration::static_builder(issued.jwks().to_string())
        .claims_validation(ClaimsValidationSpec::recommended(ISSUER, &audiences))
        .build()
        .unwrap();
    let server = OAuth2ResourceServer::<Claims>::builder()
        .add_tenant(tenant)
        .build()
        .await
        .unwrap();
    server.into_layer().layer(Accepting)
}

fn request(token: &str) -> http::Request<()> {
    let request = http::Request::get("https://api.example/lists").header("authorization", format!("Bearer {token}"));
    request.body(()).unwrap()
}

/// Responds to each request that passes.
#[derive(Clone)]
struct Accepting;

impl Service<http::Request<()>> for Accepting {
    type Response = http::Response<String>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<()>) -> Self::Future {
        assert!(request.extensions().get::<Claims>().is_some());
        std::future::ready(Ok(http::Response::default()))
    }
}

/// The claims that a program reads from such a token.
#[derive(Clone, serde::Deserialize)]
#[allow(dead_code, reason = "to read them is what is measured")]
struct Claims {
    tid: String,
    oid: String,
    azp: String,
    idtyp: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    scp: Option<String>,
    exp: u64,
}

/// The microseconds of one of some runs.
async fn time<F: Future<Output = ()>>(mut work: impl FnMut() -> F) -> f64 {
    let start = Instant::now();
    for _ in 0..EACH {
        work().await;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(EACH)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The version of a package that this program was built with.
fn version(package: &str, beginning: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"{beginning}");
    let (_, rest) = lock.split_once(&name).expect("the lock file names it");
    format!("{beginning}{}", rest.split('"').next().unwrap_or_default())
}

const ROUNDS: usize = 201;
const EACH: u32 = 20;
