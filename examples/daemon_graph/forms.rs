//! The output of the samples, for results and for errors.

use std::time::SystemTime;

use entra_client::blocking::Client;
use entra_proto::error::printable;
use entra_transport_ureq::UreqTransport;

use crate::common::{Failure, Pages, Reply, Web, date_of_javascript, escaped, indented, note, say};
use crate::configuration::Configuration;
use crate::sample::Sample;

/// Calls Graph and prints in the form of a sample.
pub(crate) struct Printer {
    sample: Sample,
    web: Web,
    address: String,
}

impl Printer {
    pub(crate) fn new(sample: Sample, configuration: Configuration) -> Result<Self, Failure> {
        let Configuration {
            application,
            target,
            address,
        } = configuration;
        let cloud = application.authority().cloud().clone();
        let transport = UreqTransport::builder().for_cloud(&cloud).build()?;
        let client = Client::new(application, transport.clone());
        Ok(Self {
            sample,
            web: Web {
                client,
                transport,
                target,
            },
            address,
        })
    }

    pub(crate) fn run(&self) -> Result<(), Failure> {
        // The samples get the token before they call the API, so an error here is the token
        // service's.
        if let Err(error) = self.web.client.token(&self.web.target) {
            self.print_no_token(&error);
            return Err(error.into());
        }
        match self.sample {
            Sample::Dotnet => self.application(),
            Sample::Node | Sample::Python | Sample::Java => self.users(),
        }
    }

    fn application(&self) -> Result<(), Failure> {
        let address = self
            .address
            .parse()
            .map_err(|_| Failure::new("the address is not a URL"))?;
        let reply = self.web.get(&address)?;
        if !reply.status.is_success() {
            // The message of `EnsureSuccessStatusCode`.
            let (status, reason) = (reply.status.as_str(), reply.reason());
            let text = format!("Response status code does not indicate success: {status} ({reason}).");
            return Err(reply.failure().at(&text));
        }
        say!("{}", indented(&reply.body).ok_or_else(not_json)?);
        Ok(())
    }

    fn users(&self) -> Result<(), Failure> {
        let mut pages = Pages::of(&self.address)?;
        let (mut users, mut read) = (0, 0);
        while let Some(page) = pages.next() {
            if self.sample == Sample::Node {
                say!("request made to web API at: {}", date_of_javascript(SystemTime::now()));
            }
            let reply = self.web.get(&page)?;
            if !reply.status.is_success() {
                self.print_error(&reply);
                return Err(reply.failure());
            }
            let json = reply.json().ok_or_else(not_json)?;
            self.print(&reply)?;
            if json.is_object() && json.get("value").is_none() {
                // The endpoint in a configuration may be that of a single resource.
                return Ok(());
            }
            users += pages.read(&json)?.len();
            read += 1;
        }
        let count = |number: usize, thing: &str| format!("{number} {thing}{}", if number == 1 { "" } else { "s" });
        note(&format!(
            "{} on {}; the sample reads the first page",
            count(users, "user"),
            count(read, "page")
        ));
        Ok(())
    }

    fn print(&self, reply: &Reply) -> Result<(), Failure> {
        let json = indented(&reply.body).ok_or_else(not_json)?;
        match self.sample {
            Sample::Python => say!("Graph API call result: \n{}", escaped(&json, |c| !c.is_ascii())),
            Sample::Java => say!("Users in the Tenant = {}", on_one_line(&reply.body)),
            Sample::Dotnet | Sample::Node => say!("{json}"),
        }
        Ok(())
    }

    /// Prints an error response of the API. Three of the samples print it as if it were a result.
    fn print_error(&self, reply: &Reply) {
        let body = indented(&reply.body).unwrap_or_default();
        match self.sample {
            Sample::Python => say!("Graph API call result: \n{}", escaped(&body, |c| !c.is_ascii())),
            Sample::Java => say!(
                "Users in the Tenant = Connection returned HTTP code: {} with message: {}",
                reply.status.as_str(),
                reply.reason()
            ),
            Sample::Dotnet | Sample::Node => {
                say!(
                    "AxiosError: Request failed with status code {}\n{body}",
                    reply.status.as_str()
                );
            }
        }
    }

    /// Prints the sample's output for an application that the token service rejects.
    fn print_no_token(&self, error: &entra_client::Error) {
        let Some(service) = error.service() else { return };
        let description: Vec<String> = service.description.lines().map(printable).collect();
        let description = description.join("\n");
        match self.sample {
            // This sample throws, and prints nothing.
            Sample::Dotnet => {}
            Sample::Node => say!("ServerError: {}: {description}", printable(&service.error)),
            Sample::Python => {
                let id = service.correlation_id.as_deref().unwrap_or("None");
                say!("{}\n{description}\n{}", printable(&service.error), printable(id));
            }
            Sample::Java => {
                say!("Oops! We have an exception of type - class java.util.concurrent.ExecutionException");
                say!("Exception message - com.microsoft.aad.msal4j.MsalServiceException: {description}");
            }
        }
    }
}

/// Joins the lines of the body, as the sample does. Line breaks in JSON occur only between its
/// tokens.
fn on_one_line(json: &str) -> String {
    let line: String = json.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    escaped(&line, |c| printable(&c.to_string()).starts_with("\\u"))
}

fn not_json() -> Failure {
    Failure::new("the response of the web API is not JSON")
        .hint("check the endpoint: a proxy or a web page may be there")
}
