//! The behaviour and output of the Node sample.

use std::time::SystemTime;

use entra_proto::error::printable;
use http::Method;

use crate::common::{Failure, date_of_javascript, indented, indented_by, say};
use crate::todo::{Service, ToDo, failure, unexpected};

pub(crate) fn run(service: &Service) -> Result<(), Failure> {
    // The sample gets the token before it calls the API, so an error here is the token service's.
    if let Err(error) = service.web.client.token(&service.web.target) {
        if let Some(service) = error.service() {
            let description: Vec<String> = service.description.lines().map(printable).collect();
            say!("ServerError: {}: {}", printable(&service.error), description.join("\n"));
        }
        return Err(error.into());
    }
    say!("request made to web API at: {}", date_of_javascript(SystemTime::now()));
    let reply = service.send(&Method::GET, None, None)?;
    if !reply.status.is_success() {
        let body = indented(&reply.body).unwrap_or_default();
        say!("AxiosError: Request failed with status code {}", reply.status.as_str());
        if !body.is_empty() {
            say!("{body}");
        }
        return Err(failure(&reply));
    }
    ToDo::read_list(&reply)?;
    say!("{}", indented_by("    ", &reply.body).ok_or_else(unexpected)?);
    Ok(())
}
