//! The routes, and what every answer has.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use entra_client::{Client, ConsentFlow, ConsentedTenant, DirectoryError, PendingConsent, TenantDirectory};
use entra_proto::{Application, Authority, ClientCredential, EndpointVersion, ErrorClass, Guid, RedirectUri, Tenant};
use entra_transport_hyper::HyperTransport;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::activity::{Activity, Audit};
use crate::browser::{Browser, Browsers};
use crate::kept::Kept;
use crate::pages::{self, Home, Message, Records, Row, TELL, advice, show};
use crate::settings::Settings;

/// Everything that the handlers share.
pub(crate) struct Site {
    /// `scheme://host[:port]`, as browsers write it.
    origin: String,
    browsers: Browsers,
    /// The consents whose browsers are away at Entra, by their states.
    away: Kept<String, PendingConsent>,
    /// The records that were fetched, by their tenants.
    fetched: Kept<Guid, Arc<Audit>>,
    flow: ConsentFlow,
    /// Redeems codes.
    redeemer: Client,
    /// Asks for tokens of the application's own.
    daemon: Client,
    activity: Activity,
    tenants: Arc<dyn TenantDirectory>,
}

impl Site {
    /// `port` is the one that it listens on.
    pub(crate) fn new(settings: Settings, port: u16) -> Result<Self, Box<dyn Error>> {
        let origin = match settings.public_url {
            Some(url) => url.as_str().to_owned(),
            None => format!("http://localhost:{port}"),
        };
        let redirect_uri: RedirectUri = format!("{origin}{REDIRECT_PATH}").parse()?;
        let activity = Activity::new(settings.management, settings.home)?;

        // Nobody knows the tenant yet: whoever signs in brings it.
        let common = Authority::new(settings.cloud.clone(), Tenant::Common)?;
        let transport = HyperTransport::builder().for_cloud(&settings.cloud).build()?;
        let app = |credential: ClientCredential| {
            Application::new(common.clone(), settings.client_id, credential).on(EndpointVersion::V1)
        };
        let daemon = Client::new(app(settings.certificate.into()), transport.clone());
        let redeemer = match settings.secret {
            Some(secret) => Client::new(app(secret.into()), transport),
            None => daemon.clone(),
        };
        Ok(Self {
            browsers: Browsers::new(origin.starts_with("https://"))?,
            away: Kept::new(MOST_AWAY),
            fetched: Kept::new(MOST_FETCHED),
            // It asks for the consent of a whole tenant (`prompt=admin_consent`), beside what the document has.
            flow: ConsentFlow::new(&redeemer, activity.target().clone(), redirect_uri)?,
            redeemer,
            daemon,
            activity,
            tenants: settings.tenants.into(),
            origin,
        })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Asks the directory, whose methods block.
    async fn tenants<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn TenantDirectory) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, Failed> {
        let tenants = Arc::clone(&self.tenants);
        match tokio::task::spawn_blocking(move || ask(&*tenants)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(Failed::Tenants(error)),
            Err(error) => Err(Failed::Internal(error.to_string())),
        }
    }

    /// Takes what came back from Entra, and stores the tenant. The application's own token in that tenant decides what is said of it.
    async fn finish(&self, pending: &PendingConsent, redirect: &entra_proto::Redirect) -> Result<Connected, Failed> {
        let consent = self.flow.finish(pending, redirect).await.map_err(Failed::Consent)?;
        if let Some(user) = consent.sign_in.as_ref().and_then(|sign_in| sign_in.user.as_ref()) {
            // The administrator's own tokens are of no use here: the tenant is all that was wanted of them.
            self.redeemer.forget_user(user);
        }
        let roles = self.daemon.tenant(consent.tenant).roles(self.activity.target()).await;
        let roles = match roles {
            // The browser alone names the tenant, and can name any.
            Err(error) if !consent.is_verified() => return Err(Failed::Consent(error)),
            roles => roles,
        };
        let scopes = consent.sign_in.as_ref().and_then(|sign_in| sign_in.scope.as_deref());
        let granted = roles.iter().flatten().map(String::as_str);
        let granted: BTreeSet<&str> = granted
            .chain(scopes.iter().flat_map(|scope| scope.split_whitespace()))
            .collect();

        let application = self.daemon.application();
        let mut tenant = ConsentedTenant::new(application.client_id(), consent.tenant, SystemTime::now().into())
            .with_cloud(application.authority().cloud().clone())
            .with_granted(granted);
        if let Some(name) = consent.username().filter(|name| name.len() <= 256) {
            tenant = tenant.with_user(name);
        }
        self.tenants(move |tenants| tenants.put(&tenant)).await?;
        Ok(match roles {
            Ok(roles) if roles.is_empty() => Connected::WithoutPermission(consent.tenant),
            Ok(_) => Connected::Proved(consent.tenant),
            Err(error) => {
                eprintln!("no token in {} yet: {error:?}", consent.tenant);
                Connected::Unproved(consent.tenant)
            }
        })
    }

    /// The browser that posted a form of ours.
    fn posted(&self, headers: &HeaderMap, form: &[u8]) -> Result<Browser, Failed> {
        let browser = self.browsers.known(headers).ok_or(Failed::ForeignForm)?;
        let token = form_urlencoded::parse(form).find(|(name, _)| name == "form_token");
        match token.is_some_and(|(_, token)| self.browsers.made_form(&browser, &token)) {
            true => Ok(browser),
            false => Err(Failed::ForeignForm),
        }
    }
}

pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/connect", post(connect))
        .route(REDIRECT_PATH, get(back))
        .route("/tenants/{tenant}/records", post(fetch_records).get(records))
        .route("/style.css", get(style))
        .fallback(|| async { Message::new("There is no such page", "", "").with(StatusCode::NOT_FOUND) })
        .layer(DefaultBodyLimit::max(4 * 1024))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), around))
        .with_state(site)
}

/// The page to start from. `?connected=` names a tenant that came just now; what is no tenant here is not shown.
async fn home(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let client_id = site.daemon.application().client_id();
    let list = site.tenants(move |tenants| tenants.list(Some(client_id))).await?;
    for error in &list.unreadable {
        eprintln!("the directory of tenants: {error:?}");
    }
    let (browser, cookie) = match site.browsers.known(&headers) {
        Some(browser) => (browser, None),
        None => site
            .browsers
            .welcome()
            .map(|(browser, cookie)| (browser, Some(cookie)))?,
    };
    let tenants: Vec<Row> = list.tenants.iter().map(Row::of).collect();
    let named = query.as_deref().and_then(|query| query.strip_prefix("connected="));
    let page = Home {
        connected: named
            .filter(|named| tenants.iter().any(|row| row.tenant == *named))
            .map(str::to_owned),
        unreadable: list.unreadable.len(),
        form_token: site.browsers.form_token(&browser),
        tenants,
    };
    let mut response = show(StatusCode::OK, &page);
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Sends the browser to Entra, and keeps what it takes to know it again.
async fn connect(State(site): State<Arc<Site>>, headers: HeaderMap, form: Bytes) -> Result<Redirect, Failed> {
    let browser = site.posted(&headers, &form)?;
    let (url, pending) = site.flow.start().map_err(Failed::Consent)?;
    site.away
        .keep(browser, pending.state().to_owned(), pending, Instant::now());
    Ok(Redirect::to(&url))
}

/// The browser is back from Entra: the redirect URI.
async fn back(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let redirect =
        entra_proto::Redirect::from_query(query.as_deref().unwrap_or_default()).map_err(|_| Failed::Stranger)?;
    let browser = site.browsers.known(&headers).ok_or(Failed::Stranger)?;
    let pending = redirect
        .state()
        .and_then(|state| site.away.take(&browser, state.to_owned(), Instant::now()))
        .ok_or(Failed::Stranger)?;
    // A handler is dropped when its browser hangs up. The administrator has consented all the same, and the code is good for one time:
    // a task of its own goes on to the end. The answer is made there, too, since a failure is logged with it.
    let answer = tokio::spawn(async move { site.finish(&pending, &redirect).await.into_response() });
    answer.await.map_err(|error| Failed::Internal(error.to_string()))
}

/// Fetches a tenant's records, without anybody signed in. They are shown at an address that can be loaded again.
async fn fetch_records(
    State(site): State<Arc<Site>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Bytes,
) -> Result<Response, Failed> {
    let browser = site.posted(&headers, &form)?;
    let tenant: Guid = tenant.parse().map_err(|_| Failed::UnknownTenant)?;
    let client_id = site.daemon.application().client_id();
    let stored = site.tenants(move |tenants| tenants.get(client_id, tenant)).await?;
    let tenant = stored.ok_or(Failed::UnknownTenant)?.tenant;
    match site.activity.audit(&site.daemon.tenant(tenant), tenant).await {
        Ok(audit) => {
            site.fetched.keep(browser, tenant, Arc::new(audit), Instant::now());
            Ok(Redirect::to(&format!("/tenants/{tenant}/records")).into_response())
        }
        Err(trouble) => {
            eprintln!("the records of {tenant}: {trouble:?}");
            Ok(Message::of(&trouble).with(StatusCode::BAD_GATEWAY))
        }
    }
}

/// Shows the records that were fetched last for this browser. If there are none, the button that fetches them is at home.
async fn records(State(site): State<Arc<Site>>, Path(tenant): Path<String>, headers: HeaderMap) -> Response {
    let tenant: Option<Guid> = tenant.parse().ok();
    let fetched = tenant.zip(site.browsers.known(&headers)).and_then(|(tenant, browser)| {
        let audit = site.fetched.get(&browser, tenant, Instant::now())?;
        Some(Records {
            tenant: tenant.to_string(),
            audit,
        })
    });
    match fetched {
        Some(page) => show(StatusCode::OK, &page),
        None => Redirect::to("/").into_response(),
    }
}

async fn style() -> impl IntoResponse {
    ([("content-type", "text/css; charset=utf-8")], pages::STYLE)
}

/// Refuses requests for another host, and gives every answer the headers that keep it safe.
///
/// Another host is a name that leads here and is not ours: a page of it could read this one's answers (DNS rebinding).
async fn around(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let ours = site.origin.split_once("://").map_or("", |(_, host)| host);
    let mut response = match host.is_some_and(|host| host.eq_ignore_ascii_case(ours)) {
        true => next.run(request).await,
        false => Message::new("Not here", format!("This application is at {}/.", site.origin), "")
            .with(StatusCode::MISDIRECTED_REQUEST),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address of the redirect holds the code, and no other site is told of it.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A tenant that was stored after its administrator consented.
enum Connected {
    /// The application's own token there holds permissions.
    Proved(Guid),
    /// It holds none: whatever was consented to, the API will refuse it.
    WithoutPermission(Guid),
    /// There is no such token yet.
    Unproved(Guid),
}

impl IntoResponse for Connected {
    fn into_response(self) -> Response {
        match self {
            Self::Proved(tenant) => Redirect::to(&format!("/?connected={tenant}")).into_response(),
            Self::WithoutPermission(tenant) => Message::new(
                "A permission is missing",
                format!("Tenant {tenant} has consented, but the application has no permission of its own there."),
                "Add the application permission ActivityFeed.Read to the app registration, then let the tenant's administrator connect it \
                 again.",
            )
            .with(StatusCode::OK),
            Self::Unproved(tenant) => Message::new(
                "Consent received",
                format!("Tenant {tenant} has consented. Entra has not given the application a token of its own there yet."),
                "Go back to the tenants in a few minutes, and fetch the tenant's records.",
            )
            .with(StatusCode::OK),
        }
    }
}

/// Why there is no answer but a message.
enum Failed {
    /// A form that was not made here, for this browser, by this process.
    ForeignForm,
    /// A redirect that nobody asked for, or that was used before.
    Stranger,
    Consent(entra_client::Error),
    UnknownTenant,
    Tenants(DirectoryError),
    /// Why, for the log.
    Internal(String),
}

impl From<getrandom::Error> for Failed {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::ForeignForm => Message::new(
                "That form has expired",
                "It was not made for this browser, or the application was restarted since.",
                "Go back to the tenants and press the button again. Cookies must be allowed for this site.",
            )
            .with(StatusCode::FORBIDDEN),
            Self::Stranger => Message::new(
                "Nothing was connected",
                "This answer from Entra belongs to no consent that this browser is waiting for: it was used before, came too late, or was \
                 asked for elsewhere.",
                "Go back to the tenants, and connect yours from there.",
            )
            .with(StatusCode::BAD_REQUEST),
            Self::Consent(error) => refused(&error),
            Self::UnknownTenant => Message::new(
                "That tenant is not connected",
                "",
                "Go back to the tenants, and let its administrator connect it.",
            )
            .with(StatusCode::NOT_FOUND),
            Self::Tenants(error) => {
                // It names files of ours.
                eprintln!("the directory of tenants: {error:?}");
                Message::new(
                    "The tenants cannot be read",
                    "The application cannot use the place where it keeps its tenants.",
                    "Ask whoever runs it: its log says why.",
                )
                .with(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Internal(why) => {
                eprintln!("internal: {why}");
                Message::new("That went wrong", "The application has failed.", TELL)
                    .with(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// A consent that came to nothing: said by the administrator, by Entra, or by what went wrong on the way.
fn refused(error: &entra_client::Error) -> Response {
    let service = error.service();
    let says = |code: u32| service.is_some_and(|service| service.codes.contains(&code));
    // The words stand for other refusals as well, by a policy, say. Those have a number of their own.
    let was_declined = says(65004)
        || service.is_some_and(|service| {
            matches!(&*service.error, "access_denied" | "permission_denied") && service.codes.is_empty()
        });
    if says(90094) || says(90093) {
        Message::new(
            "An administrator has to consent",
            "Whoever signed in may not consent for the whole tenant. Nothing was connected.",
            "Ask an administrator of your tenant to connect it here.",
        )
        .with(StatusCode::FORBIDDEN)
    } else if was_declined {
        Message::new(
            "Consent was declined",
            "Nothing was connected, and what the application may read is as it was.",
            "If that was a mistake, connect your tenant once more and choose Accept.",
        )
        .with(StatusCode::FORBIDDEN)
    } else {
        let status = match error.is_retryable() {
            true => StatusCode::BAD_GATEWAY,
            false => StatusCode::BAD_REQUEST,
        };
        eprintln!("a consent: {error:?}");
        let reason = format!("The reason: {}", error.problem());
        let advice = match error.class() {
            ErrorClass::Tenant => "Sign in with a work or school account of the tenant that is to be connected.",
            _ => advice(error),
        };
        Message::new("Nothing was connected", reason, advice).with(status)
    }
}

/// No scripts, no frames, nothing from elsewhere. There is no `form-action` in it: Chromium applies that to every redirect that follows a
/// form as well, and where Entra sends a browser on to is Entra's business. The forms have their own guard.
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// As in the document: `http://www.mycompany.com/myapp/`.
const REDIRECT_PATH: &str = "/myapp/";
/// How many fetched lists of records are kept. Each may hold some megabytes.
const MOST_FETCHED: usize = 16;

/// How many browsers may be away at Entra at a time.
const MOST_AWAY: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entra_client::MemoryDirectory;
    use entra_credential::ClientCertificate;
    use entra_emulator::{App, Emulator};
    use entra_proto::{ClientSecret, Cloud};

    use super::*;

    /// The emulator, and the application's certificate with its key.
    fn emulator() -> (Emulator, String) {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let app = App::new("Audit Viewer")
            .redirect_uri("http://localhost/myapp/")
            .certificate_pem(certificate.pem())
            .request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read")
            .request_scope(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read");
        let pem = format!("{}{}", key.serialize_pem(), certificate.pem());
        (Emulator::builder().app(app).start(), pem)
    }

    fn site((emulator, pem): &(Emulator, String)) -> Arc<Site> {
        let settings = Settings {
            listen: String::new(),
            public_url: None,
            cloud: Cloud::loopback(emulator.base_url()).unwrap(),
            management: emulator.base_url().parse().unwrap(),
            client_id: emulator.client_id().parse().unwrap(),
            home: None,
            certificate: ClientCertificate::read(pem.as_bytes(), None).unwrap(),
            secret: Some(ClientSecret::new(emulator.client_secret()).unwrap()),
            tenants: Box::new(MemoryDirectory::default()),
        };
        Arc::new(Site::new(settings, 80).unwrap())
    }

    /// What a browser comes back with.
    fn consented(site: &Site, emulator: &Emulator) -> (RawQuery, HeaderMap) {
        let (browser, cookie) = site.browsers.welcome().unwrap();
        let (url, pending) = site.flow.start().unwrap();
        site.away
            .keep(browser, pending.state().to_owned(), pending, Instant::now());
        let user = format!("adele@{}", emulator.domain());
        let redirect = emulator.approve(&url, &user).unwrap().url;
        let query = redirect.split_once('?').map(|(_, query)| query.to_owned());
        (RawQuery(query), HeaderMap::from_iter([(http::header::COOKIE, cookie)]))
    }

    #[tokio::test]
    async fn a_browser_that_hangs_up_loses_no_consent() {
        let emulator = emulator();
        let site = site(&emulator);
        let (query, headers) = consented(&site, &emulator.0);
        tokio::select! {
            biased;
            _ = back(State(Arc::clone(&site)), query, headers) => panic!("nothing can be there at once"),
            // The handler has begun, and is dropped.
            () = std::future::ready(()) => {}
        }
        let stored = async {
            while site.tenants.list(None).unwrap().tenants.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let stored = tokio::time::timeout(Duration::from_secs(10), stored).await;
        assert!(stored.is_ok(), "it is not stored");
    }

    #[tokio::test]
    async fn nothing_is_kept_of_the_administrator() {
        let emulator = emulator();
        let site = site(&emulator);
        let (query, headers) = consented(&site, &emulator.0);
        let answer = back(State(Arc::clone(&site)), query, headers).await.into_response();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        // The code's, and the application's own.
        assert_eq!(emulator.0.token_requests().len(), 2);
        assert!(site.redeemer.is_empty());
    }

    #[tokio::test]
    async fn what_fails_inside_is_told_and_its_reason_is_not() {
        let response = Failed::Internal("canary".to_owned()).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let page = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(
            page.contains("<h1>That went wrong</h1>") && !page.contains("canary"),
            "{page}"
        );
    }
}
