//! The behaviour and output of the .NET sample.

use entra_proto::Guid;
use entra_proto::error::printable;
use http::Method;
use serde_json::json;

use crate::common::{Failure, say};
use crate::todo::{Service, ToDo};

pub(crate) fn run(service: &Service) -> Result<(), Failure> {
    say!("Posting a to-do...");
    let first = post(service, "Bake bread")?;
    show_list(service)?;

    say!("Posting a second to-do...");
    let second = post(service, "Butter bread")?;
    show_list(service)?;

    say!("Deleting a to-do...");
    service.call(&Method::DELETE, Some(first.id), None)?;
    show_list(service)?;

    say!("Editing a to-do...");
    let body = json!({"id": second.id, "owner": second.owner.to_string(), "description": "Eat bread"});
    let second = ToDo::read(&service.call(&Method::PUT, Some(second.id), Some(&body))?)?;
    show_list(service)?;

    say!("Deleting remaining to-do...");
    service.call(&Method::DELETE, Some(second.id), None)?;
    show_list(service)
}

/// Adds a to-do with a random owner, as the sample does.
fn post(service: &Service, description: &str) -> Result<ToDo, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(format!("the system has no random numbers: {error}")))?;
    let owner = Guid::from_random(bytes).to_string();
    let body = json!({"owner": owner, "description": description});
    ToDo::read(&service.call(&Method::POST, None, Some(&body))?)
}

fn show_list(service: &Service) -> Result<(), Failure> {
    say!("Retrieving to-do's from server...");
    let list = ToDo::read_list(&service.call(&Method::GET, None, None)?)?;
    if list.is_empty() {
        say!("There are no to-do's in server");
        return Ok(());
    }
    say!("To-do data:");
    for todo in list {
        say!("ID: {}", todo.id);
        say!("User ID: {}", todo.owner);
        say!("Message: {}", printable(&todo.description));
    }
    Ok(())
}
