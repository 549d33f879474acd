//! Applications that authenticate each other, and a script of responses on a virtual clock.

use std::time::Duration;

use entra_proto::acquire::{Delivery, RetryPolicy, SendFailure, Step};
use entra_proto::acquired::{AcquiredCredential, AssertionExchange};
use entra_proto::assertion::{ClientAssertion, Signer, SignerError, SigningAlgorithm, SigningCertificate};
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, Error, Guid, Target, Timestamp, TokenRequest,
    TokenResponse,
};
use http::{Request, Response};
use serde_json::{Value, json};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
/// Ten minutes later, in the format of a `Date` header.
pub(crate) const LATER: &str = "Thu, 01 Jan 2026 00:10:00 GMT";
pub(crate) const OUT_OF_TIME: &str = r#"{"error":"invalid_client","error_codes":[700024]}"#;
pub(crate) const EXCHANGE: &str = "api://AzureADTokenExchange";

/// The network's reaction to one request.
#[derive(Clone, Copy)]
pub(crate) enum Network {
    /// A token with this text and this lifetime in seconds.
    Issues(&'static str, u64),
    /// A response with this status and body.
    Responds(u16, &'static str),
    /// A response with this status, this header and this body.
    RespondsWith(u16, &'static str, &'static str, &'static str),
    Fails(SendFailure),
}
pub(crate) use Network::{Fails, Issues, Responds, RespondsWith};

/// A request as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub uri: String,
    pub authorization: Option<String>,
    pub form: Vec<(String, String)>,
}

impl Sent {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.form.iter().find(|pair| pair.0 == name);
        pair.map(|pair| pair.1.as_str())
    }

    /// The first letter of the client ID, or `x` for a request to another service.
    pub(crate) fn client(&self) -> char {
        self.get("client_id").and_then(|id| id.chars().next()).unwrap_or('x')
    }
}

/// The result of an acquisition. The outcome is `None` if it is the transport's own error.
#[derive(Default)]
pub(crate) struct Run {
    pub outcome: Option<Result<TokenResponse, Error>>,
    pub sent: Vec<Sent>,
    pub signed: Vec<Value>,
    pub waits: Vec<Duration>,
    /// The request for which the last response is missing, if it is one of several.
    pub failed_leg: Option<String>,
    /// The output of all steps and of the error.
    pub shown: String,
}

impl Run {
    pub(crate) fn clients(&self) -> String {
        self.sent.iter().map(Sent::client).collect()
    }

    pub(crate) fn error(&self) -> &Error {
        match &self.outcome {
            Some(Err(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }
}

/// Drives an acquisition in which each exchange takes a second.
pub(crate) fn run(request: TokenRequest, script: &[Network]) -> Run {
    let step = request
        .start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW)
        .unwrap();
    drive(step, script, Duration::from_secs(1))
}

pub(crate) fn drive(mut step: Step, script: &[Network], takes: Duration) -> Run {
    let (mut run, mut now, mut script) = (Run::default(), NOW, script.iter());
    loop {
        run.shown += &format!("{step:?}\n");
        let next = match step {
            Step::Sign(sign) => {
                let input = String::from_utf8(sign.assertion().input().to_vec()).unwrap();
                run.signed.push(claims(&input));
                sign.sign()
            }
            Step::Assert(assert) => assert.fetch(),
            Step::Exchange(exchange) => {
                run.sent.push(sent(&exchange.request()));
                now = now.plus(takes);
                let leg = exchange.leg().map(|leg| leg.to_string());
                match *script.next().expect("more requests than the script has responses") {
                    Fails(failure) => match exchange.failed(failure, now) {
                        Ok(Some(step)) => Ok(step),
                        Err(error) => Err(error),
                        Ok(None) => {
                            run.failed_leg = leg;
                            return run;
                        }
                    },
                    network => exchange.respond(&response(network), now),
                }
            }
            Step::Pause(pause) => {
                run.waits.push(pause.duration());
                now = now.plus(pause.duration());
                pause.resume(now)
            }
            Step::Done(token) => {
                assert!(script.next().is_none(), "fewer requests than the script has responses");
                run.outcome = Some(Ok(token));
                return run;
            }
        };
        step = match next {
            Ok(step) => step,
            Err(error) => {
                assert!(script.next().is_none(), "fewer requests than the script has responses");
                run.shown += &format!("{error} {error:?} {error:#?} {:?}", error.hint());
                run.outcome = Some(Err(error));
                return run;
            }
        };
    }
}

pub(crate) fn response(network: Network) -> Response<Body> {
    let (status, header, body) = match network {
        Issues(token, life) => {
            let body = json!({ "token_type": "Bearer", "expires_in": life, "access_token": token });
            (200, ("x-none", ""), body.to_string())
        }
        Responds(status, body) => (status, ("x-none", ""), body.to_owned()),
        RespondsWith(status, name, value, body) => (status, (name, value), body.to_owned()),
        Fails(_) => panic!("a failure has no response"),
    };
    let response = Response::builder().status(status).header(header.0, header.1);
    response.body(Body::from(body)).unwrap()
}

pub(crate) fn sent(request: &Request<Body>) -> Sent {
    let authorization = request.headers().get("authorization");
    Sent {
        uri: request.uri().to_string(),
        authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
        form: form_urlencoded::parse(request.body().as_bytes()).into_owned().collect(),
    }
}

pub(crate) fn claims(jwt: &str) -> Value {
    use base64::Engine as _;
    let part = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Returns the application whose client ID repeats this digit.
pub(crate) fn application(id: u8, credential: impl Into<ClientCredential>) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(authority, Guid::from_bytes([id; 16]).into(), credential)
}

pub(crate) fn for_exchange(app: &Application) -> TokenRequest {
    app.client_credentials(Target::resource(EXCHANGE).unwrap()).unwrap()
}

pub(crate) fn for_graph(app: &Application) -> TokenRequest {
    app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap()
}

/// Returns a request of application c, which authenticates with a token of b, b with a token of a,
/// and a with this credential.
pub(crate) fn three_legs(credential: impl Into<ClientCredential>) -> TokenRequest {
    let a = application(0xaa, credential);
    let b = application(0xbb, AcquiredCredential::of_token(for_exchange(&a)).unwrap());
    let c = application(0xcc, AcquiredCredential::of_token(for_exchange(&b)).unwrap());
    for_graph(&c)
}

/// Returns a request of application c, which authenticates with a token of b, and b with this
/// credential.
pub(crate) fn two_legs(credential: impl Into<ClientCredential>) -> TokenRequest {
    let b = application(0xbb, credential);
    for_graph(&application(
        0xcc,
        AcquiredCredential::of_token(for_exchange(&b)).unwrap(),
    ))
}

pub(crate) fn secret() -> ClientSecret {
    ClientSecret::new("canary~secret").unwrap()
}

/// "Signs" anything, or fails with this problem.
pub(crate) struct Pen(pub Option<&'static str>);

impl Signer for Pen {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [2; 32], Vec::new())
    }

    fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0
            .map_or_else(|| Ok(vec![1, 2, 3]), |problem| Err(SignerError::new(problem)))
    }
}

/// The token endpoint of a CI system: a GET with a token, and JSON with the assertion in `value`.
pub(crate) struct Pipeline;

impl AssertionExchange for Pipeline {
    fn name(&self) -> &str {
        "the pipeline"
    }

    fn request(&self, _: &str, _: Guid) -> Request<Body> {
        Request::get("https://pipeline.example/token?audience=api%3A%2F%2FAzureADTokenExchange")
            .header("authorization", "Bearer canary~of~the~job")
            .body(Body::default())
            .unwrap()
    }

    fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<ClientAssertion, Error> {
        if !response.status().is_success() {
            let problem = format!("the pipeline responds with status {}", response.status().as_u16());
            return Err(SignerError::new(problem)
                .with_hint("grant the job the permission id-tokens")
                .into());
        }
        let body: Value = serde_json::from_slice(response.body().as_bytes()).unwrap_or_default();
        let jwt = body.pointer("/value").and_then(Value::as_str).unwrap_or_default();
        Ok(ClientAssertion::new(jwt)?.with_expiry(now.plus(Duration::from_secs(300))))
    }
}

pub(crate) fn of_pipeline() -> AcquiredCredential {
    AcquiredCredential::of_exchange(Pipeline)
}

pub(crate) const DOWN: Network = Fails(SendFailure::transient(Delivery::MaybeSent));
