//! Consents whose browsers are at Entra.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use entra_client::PendingConsent;

use super::browser::Browser;

/// Consents that were started and not finished. Each belongs to one browser, can be used once, and
/// expires; their number is bounded.
///
/// They are stored here and not in cookies, so that a consent is gone once it is used, whatever the
/// browser sends again.
#[derive(Default)]
pub(crate) struct Pending(Mutex<HashMap<(Browser, String), Entry>>);

struct Entry {
    consent: PendingConsent,
    since: Instant,
}

impl Pending {
    /// Adds a consent under its state. If there is no room, the oldest one is dropped.
    pub(crate) fn add(&self, browser: Browser, consent: PendingConsent, now: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.is_alive(now));
        if entries.len() >= MOST {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.remove(&oldest);
            }
        }
        let key = (browser, consent.state().to_owned());
        entries.insert(key, Entry { consent, since: now });
    }

    /// Removes and returns the consent of this browser with this state. A wrong state changes
    /// nothing, so that a forged redirect cannot end a sign-in.
    pub(crate) fn take(&self, browser: &Browser, state: &str, now: Instant) -> Option<PendingConsent> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.remove(&(browser.clone(), state.to_owned()))?;
        entry.is_alive(now).then_some(entry.consent)
    }
}

impl Entry {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < LIFE
    }
}

/// Enough time to enter the password and the second factor.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// The most browsers that may be at Entra at a time.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use entra_client::{Client, ConsentFlow};
    use entra_proto::{Application, Authority, ClientSecret, Cloud, EndpointVersion, Target, Tenant};
    use entra_transport_hyper::HyperTransport;

    use super::super::browser::Browsers;
    use super::*;

    fn flow() -> ConsentFlow {
        let common = Authority::new(Cloud::loopback("http://localhost:1").unwrap(), Tenant::Common).unwrap();
        let secret = ClientSecret::new("secret").unwrap();
        let client_id = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let app = Application::new(common, client_id, secret).with_endpoint_version(EndpointVersion::V1);
        let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
        let target = Target::resource("https://manage.office.com").unwrap();
        let redirect_uri = "http://localhost/myapp/".parse().unwrap();
        ConsentFlow::new(&Client::new(app, transport), target, redirect_uri).unwrap()
    }

    fn start(flow: &ConsentFlow) -> PendingConsent {
        flow.start().unwrap().1
    }

    #[tokio::test]
    async fn consent_is_used_once_by_its_own_browser() {
        let (pending, now, flow) = (Pending::default(), Instant::now(), flow());
        let browsers = Browsers::new(true).unwrap();
        let (one, other) = (browsers.welcome().unwrap().0, browsers.welcome().unwrap().0);
        let (first, second) = (start(&flow), start(&flow));
        let states = [first.state().to_owned(), second.state().to_owned()];
        pending.add(one.clone(), first, now);
        pending.add(one.clone(), second, now);
        assert!(pending.take(&other, &states[0], now).is_none(), "another browser");
        assert!(pending.take(&one, "another state", now).is_none());
        let taken = pending.take(&one, &states[0], now).unwrap();
        assert_eq!(taken.state(), states[0]);
        assert!(pending.take(&one, &states[0], now).is_none(), "the second time");
        assert!(pending.take(&one, &states[1], now + LIFE).is_none(), "too late");
    }

    #[tokio::test]
    async fn number_of_pending_consents_is_bounded() {
        let (pending, start_time, flow) = (Pending::default(), Instant::now(), flow());
        let (browser, _) = Browsers::new(true).unwrap().welcome().unwrap();
        let mut states = Vec::new();
        for number in 0..MOST + 3 {
            let consent = start(&flow);
            states.push(consent.state().to_owned());
            let now = start_time + Duration::from_millis(u64::try_from(number).unwrap());
            pending.add(browser.clone(), consent, now);
            assert!(pending.0.lock().unwrap().len() <= MOST);
        }
        let now = start_time + Duration::from_secs(60);
        assert!(
            pending.take(&browser, &states[2], now).is_none(),
            "it was among the oldest"
        );
        assert!(pending.take(&browser, &states[3], now).is_some());
        pending.add(browser, start(&flow), now + LIFE);
        assert_eq!(pending.0.lock().unwrap().len(), 1, "expired ones are dropped");
    }
}
