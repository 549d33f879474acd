//! What must hold for any bytes: run by the fuzz targets, and over their corpora by a plain test.

use entra_proto::authorize::{PendingAdminConsent, PendingAuthorization, Redirect};
use entra_proto::cache::MAX_LIFETIME;
use entra_proto::{Application, Authority, Body, ClientCredential, Error, Guid, Target, Timestamp};
use http::Response;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Bytes that come back with a browser, or as a sign-in that was kept. Tells whether they were a redirect that redeems the one
/// sign-in which was started here, and whether they were a sign-in.
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
                Ok(()) => assert!(ours, "a redirect was believed that nobody asked for"),
                Err(error) => {
                    one_line(&error);
                    assert!(ours || matches!(error, Error::Redirect(_)), "{error}");
                }
            }
        }
        redeemed |= pending.redeem(&app, &redirect).is_ok();
    }
    let kept = text.parse::<PendingAuthorization>();
    if let Ok(kept) = &kept {
        let again: PendingAuthorization = kept.expose().parse().unwrap();
        assert_eq!(again.expose(), kept.expose());
        assert!(!format!("{kept:?}").contains(char::is_control));
    }
    (redeemed, kept.is_ok())
}

/// Bytes that a server answers with: to the start of a device flow, and to the redemption of a code. Tells whether they were good
/// for either.
pub(crate) fn answer(bytes: &[u8]) -> (bool, bool) {
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
            // There is no secret in that request.
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

/// An error about a code's redemption shows neither the code nor its verifier.
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

/// An error is shown with escapes: neither this nor the verifier begins with a character that one ends in, as `\0` does, so that
/// what is shown holds them only if what came did.
const CODE: &str = "1.AXAA-canary_code.x";
