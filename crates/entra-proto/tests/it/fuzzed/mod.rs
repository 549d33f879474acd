//! The properties that the fuzz targets check for arbitrary bytes. A test replays their corpora.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::authorize::{PendingAdminConsent, PendingAuthorization, Redirect};
use entra_proto::cache::MAX_LIFETIME;
use entra_proto::managed_identity::{Host, Identity, LocalRoute, ManagedIdentity, Platform, Source};
use entra_proto::{Application, Authority, Body, ClientCredential, Error, Guid, Target, Timestamp};
use http::{HeaderValue, Response};
use zeroize::Zeroizing;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Checks bytes as a redirect and as a stored sign-in. Returns whether they are a redirect that
/// redeems the sign-in started here, and whether they are a stored sign-in.
pub(crate) fn redirect(bytes: &[u8]) -> (bool, bool) {
    let app = application();
    let (_, pending) = sign_in(&app);
    let consent = format!(
        "authority={}&client_id={}&state={}",
        app.authority(),
        app.client_id(),
        pending.state()
    );
    let consent: PendingAdminConsent = consent.parse().unwrap();
    let text = String::from_utf8_lossy(bytes);
    let mut redeemed = false;
    for read in [
        Redirect::from_form(bytes),
        Redirect::from_query(&text),
        Redirect::from_fragment(&text),
        Redirect::from_url(&text),
    ] {
        let redirect = match read {
            Ok(redirect) => redirect,
            Err(error) => {
                one_line(&error);
                continue;
            }
        };
        let _ = format!("{redirect:?}");
        let ours = redirect.state() == Some(pending.state());
        for outcome in [
            pending.redeem(&app, &redirect).map(drop),
            consent.accept(&app, &redirect).map(drop),
        ] {
            match outcome {
                Ok(()) => assert!(ours, "an unsolicited redirect was accepted"),
                Err(error) => {
                    one_line(&error);
                    assert!(ours || matches!(error, Error::Redirect(_)), "{error}");
                }
            }
        }
        redeemed |= pending.redeem(&app, &redirect).is_ok();
    }
    let stored = text.parse::<PendingAuthorization>();
    if let Ok(stored) = &stored {
        let parsed: PendingAuthorization = stored.expose().parse().unwrap();
        assert_eq!(parsed.expose(), stored.expose());
        assert!(!format!("{stored:?}").contains(char::is_control));
    }
    (redeemed, stored.is_ok())
}

/// Checks bytes as a response to the start of a device flow and to the redemption of a code.
/// Returns whether they are a success of either.
pub(crate) fn response(bytes: &[u8]) -> (bool, bool) {
    let app = application();
    let (redirect, pending) = sign_in(&app);
    let code = pending.redeem(&app, &redirect).unwrap();
    let start = app.device_code(Target::scopes("User.Read").unwrap()).unwrap();
    let mut good = (false, false);
    for status in [200, 400, 503] {
        let response = Response::builder()
            .status(status)
            .body(Body::from(bytes.to_vec()))
            .unwrap();
        match start.decode(&response, NOW) {
            Ok(authorization) => {
                good.0 = true;
                for text in [
                    &authorization.user_code,
                    &authorization.verification_uri,
                    &authorization.message,
                ] {
                    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
                }
                let life = authorization.expires_at.since(NOW).as_secs();
                assert!((1..=life.max(1)).contains(&authorization.interval.as_secs()));
                assert!(authorization.expires_at.since(NOW) <= MAX_LIFETIME);
                let poll = start.poll(&authorization).unwrap();
                let _ = (poll.encode(Guid::from_bytes([7; 16])), poll.cache_key());
            }
            // This request contains no secret.
            Err(error) => one_line(&error),
        }
        match code.decode(&response, NOW) {
            Ok(token) => {
                good.1 = true;
                assert!(token.access_token.authorization().is_sensitive());
                assert!(token.lifetime.expires_at.since(NOW) <= MAX_LIFETIME);
                assert_eq!(status, 200);
            }
            Err(error) => quiet(&error),
        }
    }
    good
}

/// Checks bytes as the response of each source of managed identities, and as the challenge of the
/// Azure Arc agent. Returns whether they are a token of the instance metadata service.
pub(crate) fn identity(bytes: &[u8]) -> (bool, bool) {
    let mut is_token = false;
    for source in Source::ALL {
        let identity = ManagedIdentity::new(Identity::system(), Tables).with_source(source);
        let request = identity
            .request(Target::resource("https://vault.azure.net").unwrap())
            .unwrap();
        for (status, is_probing) in [(200, false), (400, false), (401, true), (403, true), (503, false)] {
            let start =
                request
                    .clone()
                    .probing(is_probing)
                    .start(RetryPolicy::default(), Guid::from_bytes([7; 16]), NOW);
            let mut step = start.unwrap();
            for _ in 0..4 {
                let Step::Exchange(exchange) = step else { break };
                assert!(LocalRoute::of(&exchange.request()).is_some());
                let response = Response::builder()
                    .status(status)
                    .header("www-authenticate", HeaderValue::from_bytes(bytes).unwrap_or(EMPTY))
                    .body(Body::from(bytes.to_vec()))
                    .unwrap();
                step = match exchange.respond(&response, NOW) {
                    Ok(step) => step,
                    Err(error) => {
                        one_line(&error);
                        break;
                    }
                };
                if let Step::Done(token) = &step {
                    assert!(status == 200 && source != Source::Arc, "{source} {status}");
                    assert!(token.lifetime.expires_at > NOW && token.refresh_token.is_none());
                    assert!(token.lifetime.expires_at.since(NOW) <= MAX_LIFETIME);
                    is_token |= source == Source::Imds;
                }
            }
        }
    }
    (false, is_token)
}

/// A machine with the variables of every source.
struct Tables;

impl Host for Tables {
    fn variable(&self, name: &str) -> Option<OsString> {
        Some(OsString::from(match name {
            "IDENTITY_ENDPOINT" | "MSI_ENDPOINT" => "https://localhost:2377/token",
            "IDENTITY_HEADER" | "MSI_SECRET" => CODE,
            "IDENTITY_SERVER_THUMBPRINT" => "84E05C1D98BCE3A5421D225B140B36E86A3D5534",
            _ => return None,
        }))
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        assert!(path.starts_with("/var/opt/azcmagent/tokens"), "{path:?}");
        Ok(Zeroizing::new(CODE.as_bytes().to_vec()))
    }

    fn platform(&self) -> Platform {
        Platform::Linux
    }
}

const EMPTY: HeaderValue = HeaderValue::from_static("");

fn application() -> Application {
    let authority: Authority = "https://login.microsoftonline.com/common".parse().unwrap();
    Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), ClientCredential::Public)
}

fn sign_in(app: &Application) -> (Redirect, PendingAuthorization) {
    let request = app.authorize(
        Target::scopes("User.Read").unwrap(),
        "https://a.example/cb".parse().unwrap(),
    );
    let (_, pending) = request.start(&std::array::from_fn(|at| at as u8)).unwrap();
    let query = format!("code={CODE}&state={}", pending.state());
    (Redirect::from_query(&query).unwrap(), pending)
}

/// Checks an error of a code's redemption: it shows neither the code nor its verifier.
fn quiet(error: &Error) {
    let text = error.to_string();
    let verifier = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8";
    assert!(!text.contains(CODE) && !text.contains(verifier), "{text}");
    one_line(error);
}

fn one_line(error: &Error) {
    let text = format!("{error}");
    assert!(!text.contains(char::is_control), "{text:?}");
    let _ = (error.is_retryable(), error.retry_after(), format!("{error:#?}"));
}

/// Errors show texts with escapes. Neither the code nor the verifier begins with a character at
/// which an escape such as `\0` may end, so that a text contains them only if the input did.
const CODE: &str = "1.AXAA-canary_code.x";
