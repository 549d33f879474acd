use entra::{Application, ClientSecret, Target, UreqTransport, blocking::Client};

fn main() -> Result<(), entra::Report> {
    let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
    let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
    let secret = ClientSecret::new(std::fs::read_to_string("client-secret")?)?;
    let application = Application::new(authority, client_id, secret);
    let client = Client::new(application, UreqTransport::new()?);
    let graph = Target::resource("https://graph.microsoft.com")?;
    let expires_at = client.token(&graph)?.expires_at();
    println!("the token expires at {}", expires_at.to_rfc3339());
    Ok(())
}
