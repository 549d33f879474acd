//! The routes of the connect page, and the headers of every response.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use entra_client::{Client, ConsentFlow, PendingConsent};
use entra_proto::authorize::RedirectUri;
use entra_proto::endpoint::Origin;
use entra_proto::{Application, Authority, ClientCredential, EndpointVersion, Guid, Target, Tenant};
use entra_tenants::{ConsentedTenant, TenantStore, TenantStoreError};
use entra_transport_hyper::HyperTransport;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::browser::{Browser, Browsers};
use super::outcome::{Connected, Failed};
use super::pages::{self, Home, Message, Plan, Row, show};
use super::pending::Pending;
use crate::console::note;

/// The settings of the page.
pub(crate) struct Settings {
    /// The public address of the page. Without it, browsers reach the page on this machine.
    pub(crate) public_url: Option<Origin>,
    /// Gets the application's own tokens.
    pub(crate) client: Client,
    /// Redeems the codes: the secret, as in the document, or the certificate.
    pub(crate) credential: ClientCredential,
    /// The target of the tokens.
    pub(crate) target: Target,
    /// The store of the tenants.
    pub(crate) tenants: Arc<dyn TenantStore>,
    /// The collector's plan for the tenants.
    pub(crate) plan: Arc<dyn Plan>,
}

/// The state that the handlers share.
pub(crate) struct Site {
    /// `scheme://host[:port]`, as browsers write it.
    origin: String,
    browsers: Browsers,
    pending: Pending,
    flow: ConsentFlow,
    redeemer: Client,
    daemon: Client,
    target: Target,
    tenants: Arc<dyn TenantStore>,
    plan: Arc<dyn Plan>,
}

impl Site {
    /// Builds the site for its port.
    ///
    /// # Errors
    /// Returns an error if the public address does not make a redirect URI, such as plain `http` to
    /// another machine, or if the system has no random numbers.
    pub(crate) fn new(settings: Settings, port: u16) -> Result<Self, Box<dyn Error>> {
        let origin = match settings.public_url {
            Some(url) => url.as_str().to_owned(),
            None => format!("http://localhost:{port}"),
        };
        let redirect_uri: RedirectUri = format!("{origin}{REDIRECT_PATH}").parse()?;
        // The tenant is not known yet: it is that of the administrator who signs in. On v1 the
        // consent is for the whole tenant (`prompt=admin_consent`), including application
        // permissions, and the document uses v1 as well.
        let application = settings
            .client
            .application()
            .ok_or("the client is not of an application")?;
        let cloud = application.authority().cloud().clone();
        let common = Authority::new(cloud.clone(), Tenant::Common)?;
        let application = Application::new(common, application.client_id(), settings.credential)
            .with_endpoint_version(EndpointVersion::V1);
        let redeemer = Client::new(application, HyperTransport::builder().for_cloud(&cloud).build()?);
        Ok(Self {
            browsers: Browsers::new(origin.starts_with("https://"))?,
            pending: Pending::default(),
            flow: ConsentFlow::new(&redeemer, settings.target.clone(), redirect_uri)?,
            redeemer,
            daemon: settings.client,
            target: settings.target,
            tenants: settings.tenants,
            plan: settings.plan,
            origin,
        })
    }

    /// Returns the address of the page, without a trailing slash.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the routes.
    pub(crate) fn router(self) -> Router {
        let site = Arc::new(self);
        Router::new()
            .route("/", get(home))
            .route("/connect", post(connect))
            .route(REDIRECT_PATH, get(back))
            .route("/style.css", get(style))
            .fallback(|| async { Message::new("There is no such page", "", "").with(StatusCode::NOT_FOUND) })
            .layer(DefaultBodyLimit::max(4 * 1024))
            .layer(middleware::from_fn_with_state(Arc::clone(&site), around))
            .with_state(site)
    }

    /// Runs a method of the tenant store on a thread that may block.
    async fn tenants<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn TenantStore) -> Result<T, TenantStoreError> + Send + 'static,
    ) -> Result<T, Failed> {
        let tenants = Arc::clone(&self.tenants);
        match tokio::task::spawn_blocking(move || call(&*tenants)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(Failed::Tenants(error)),
            Err(error) => Err(Failed::Internal(error.to_string())),
        }
    }

    /// Handles the redirect from Entra, and stores the tenant. The application's own token in that
    /// tenant determines the message of the page.
    async fn finish(
        &self,
        pending: &PendingConsent,
        redirect: &entra_proto::authorize::Redirect,
    ) -> Result<Connected, Failed> {
        let consent = self.flow.finish(pending, redirect).await.map_err(Failed::Consent)?;
        if let Some(user) = consent.sign_in.as_ref().and_then(|sign_in| sign_in.user.as_ref()) {
            // The administrator's own tokens are of no use here: only the tenant matters.
            self.redeemer.forget_user(user);
        }
        let roles = self.daemon.tenant(consent.tenant).roles(&self.target).await;
        let roles = match roles {
            // Only the browser names the tenant, and it can name any tenant.
            Err(error) if !consent.is_verified() => return Err(Failed::Consent(error)),
            roles => roles,
        };
        let scopes = consent.sign_in.as_ref().and_then(|sign_in| sign_in.scope.as_deref());
        let granted = roles.iter().flatten().map(String::as_str);
        let granted: BTreeSet<&str> = granted
            .chain(scopes.iter().flat_map(|scope| scope.split_whitespace()))
            .collect();

        let application = self.application();
        let mut tenant = ConsentedTenant::new(application.client_id(), consent.tenant, SystemTime::now().into())
            .with_cloud(application.authority().cloud().clone())
            .with_granted(granted);
        if let Some(name) = consent.username().filter(|name| name.len() <= 256) {
            tenant = tenant.with_user(name);
        }
        self.tenants(move |tenants| tenants.put(&tenant)).await?;
        Ok(match roles {
            Ok(roles) if roles.is_empty() => Connected::WithoutPermission(consent.tenant),
            Ok(_) => {
                self.plan.connected(consent.tenant);
                Connected::Proved(consent.tenant)
            }
            Err(error) => {
                note(&format!(
                    "connect: no token in tenant {} yet: {:#}",
                    consent.tenant,
                    crate::failure::Report::of(&error)
                ));
                self.plan.connected(consent.tenant);
                Connected::Unproved(consent.tenant)
            }
        })
    }

    /// Returns the application that tenants consent to.
    fn application(&self) -> &Application {
        self.daemon.application().expect("`new` has checked it")
    }

    /// Returns the browser that posted a form of this page.
    fn posted(&self, headers: &HeaderMap, form: &[u8]) -> Result<Browser, Failed> {
        let browser = self.browsers.known(headers).ok_or(Failed::ForeignForm)?;
        let token = form_urlencoded::parse(form).find(|(name, _)| name == "form_token");
        match token.is_some_and(|(_, token)| self.browsers.made_form(&browser, &token)) {
            true => Ok(browser),
            false => Err(Failed::ForeignForm),
        }
    }
}

/// Serves the page. `?connected=` names a tenant that has just connected; a value that is not a
/// tenant in the store is not shown.
async fn home(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let client_id = site.application().client_id();
    let list = site.tenants(move |tenants| tenants.list(Some(client_id))).await?;
    for error in &list.unreadable {
        note(&format!(
            "connect: the tenant store: {:#}",
            crate::failure::Report::of(error)
        ));
    }
    let (browser, cookie) = match site.browsers.known(&headers) {
        Some(browser) => (browser, None),
        None => site
            .browsers
            .welcome()
            .map(|(browser, cookie)| (browser, Some(cookie)))?,
    };
    let connected = query
        .as_deref()
        .and_then(|query| query.strip_prefix("connected="))
        .and_then(|named| named.parse::<Guid>().ok())
        .filter(|named| list.tenants.iter().any(|tenant| tenant.tenant == *named));
    let page = Home {
        connected: connected.map(|tenant| tenant.to_string()),
        unreadable: list.unreadable.len(),
        form_token: site.browsers.form_token(&browser),
        tenants: list
            .tenants
            .iter()
            .map(|tenant| Row::of(tenant, site.plan.state(tenant.tenant)))
            .collect(),
        steps: site.plan.steps(),
    };
    let mut response = show(StatusCode::OK, &page);
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Redirects the browser to Entra, and remembers the consent.
async fn connect(State(site): State<Arc<Site>>, headers: HeaderMap, form: Bytes) -> Result<Redirect, Failed> {
    let browser = site.posted(&headers, &form)?;
    let (url, consent) = site.flow.start().map_err(Failed::Consent)?;
    site.pending.add(browser, consent, Instant::now());
    Ok(Redirect::to(&url))
}

/// Handles the redirect URI, when the browser returns from Entra.
async fn back(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let redirect = entra_proto::authorize::Redirect::from_query(query.as_deref().unwrap_or_default())
        .map_err(|_| Failed::UnknownRedirect)?;
    let browser = site.browsers.known(&headers).ok_or(Failed::UnknownRedirect)?;
    let pending = redirect
        .state()
        .and_then(|state| site.pending.take(&browser, state, Instant::now()))
        .ok_or(Failed::UnknownRedirect)?;
    // A handler is dropped when its browser disconnects. The administrator has consented
    // nevertheless, and the code can be used once: a separate task completes the work. It also
    // makes the response, because a failure is logged with it.
    let response = tokio::spawn(async move { site.finish(&pending, &redirect).await.into_response() });
    response.await.map_err(|error| Failed::Internal(error.to_string()))
}

async fn style() -> impl IntoResponse {
    ([("content-type", "text/css; charset=utf-8")], pages::STYLE)
}

/// Rejects requests for another host, and adds the security headers to every response.
///
/// Another host is a name that resolves to this machine and is not the page's own: a site with that
/// name could read the page (DNS rebinding).
async fn around(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let ours = site.origin.split_once("://").map_or("", |(_, host)| host);
    let mut response = match host.is_some_and(|host| host.eq_ignore_ascii_case(ours)) {
        true => next.run(request).await,
        false => Message::new("This page is at another address", format!("Open {}/.", site.origin), "")
            .with(StatusCode::MISDIRECTED_REQUEST),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address of the redirect holds the code, which must not reach another site.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// No scripts, no frames, nothing from other origins. It has no `form-action`: Chromium applies
/// that to every redirect after a form as well, and Entra may redirect a browser to other sites.
/// The forms have their own protection.
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// The path in the document: `http://www.mycompany.com/myapp/`.
const REDIRECT_PATH: &str = "/myapp/";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entra_credential::ClientCertificate;
    use entra_emulator::{App, Emulator};
    use entra_proto::{ClientSecret, Cloud};
    use entra_tenants::MemoryTenantStore;

    use super::super::pages::NotCollecting;
    use super::*;

    fn emulator() -> (Emulator, ClientCertificate) {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let app = App::new("Audit Collector")
            .redirect_uri("http://localhost/myapp/")
            .certificate_pem(certificate.pem())
            .request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read")
            .request_scope(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read");
        let pem = format!("{}{}", key.serialize_pem(), certificate.pem());
        let certificate = ClientCertificate::read(pem.as_bytes(), None).unwrap();
        (Emulator::builder().app(app).start(), certificate)
    }

    fn site((emulator, certificate): &(Emulator, ClientCertificate)) -> Arc<Site> {
        let cloud = Cloud::loopback(emulator.base_url()).unwrap();
        let authority = Authority::new(cloud.clone(), Tenant::Organizations).unwrap();
        let application = Application::new(authority, emulator.client_id().parse().unwrap(), certificate.clone());
        let transport = HyperTransport::builder().for_cloud(&cloud).build().unwrap();
        let settings = Settings {
            public_url: None,
            client: Client::new(application.with_endpoint_version(EndpointVersion::V1), transport),
            credential: ClientSecret::new(emulator.client_secret()).unwrap().into(),
            target: Target::resource(Emulator::OFFICE_MANAGEMENT).unwrap(),
            tenants: Arc::new(MemoryTenantStore::default()),
            plan: Arc::new(NotCollecting),
        };
        Arc::new(Site::new(settings, 80).unwrap())
    }

    /// Returns the redirect of a browser whose administrator consented.
    fn consented(site: &Site, emulator: &Emulator) -> (RawQuery, HeaderMap) {
        let (browser, cookie) = site.browsers.welcome().unwrap();
        let (url, pending) = site.flow.start().unwrap();
        site.pending.add(browser, pending, Instant::now());
        let user = format!("adele@{}", emulator.domain());
        let redirect = emulator.approve(&url, &user).unwrap().url;
        let query = redirect.split_once('?').map(|(_, query)| query.to_owned());
        (RawQuery(query), HeaderMap::from_iter([(http::header::COOKIE, cookie)]))
    }

    #[tokio::test]
    async fn consent_completes_if_the_browser_disconnects() {
        let emulator = emulator();
        let site = site(&emulator);
        let (query, headers) = consented(&site, &emulator.0);
        tokio::select! {
            biased;
            _ = back(State(Arc::clone(&site)), query, headers) => panic!("it cannot complete at once"),
            // The handler has begun, and is dropped.
            () = std::future::ready(()) => {}
        }
        let stored = async {
            while site.tenants.list(None).unwrap().tenants.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let stored = tokio::time::timeout(Duration::from_secs(60), stored).await;
        assert!(stored.is_ok(), "it is not stored");
    }

    #[tokio::test]
    async fn no_token_of_the_administrator_is_cached() {
        let emulator = emulator();
        let site = site(&emulator);
        let (query, headers) = consented(&site, &emulator.0);
        let response = back(State(Arc::clone(&site)), query, headers).await.into_response();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        // The request with the code, and that for the application's own token.
        assert_eq!(emulator.0.token_requests().len(), 2);
        assert_eq!(site.redeemer.cache_entries(), 0);
    }

    #[tokio::test]
    async fn internal_failure_does_not_show_its_reason() {
        let response = Failed::Internal("canary".to_owned()).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let page = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(
            page.contains("<h1>Something went wrong</h1>") && !page.contains("canary"),
            "{page}"
        );
    }
}
