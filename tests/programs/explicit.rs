use entra::{Application, ClientSecret, Target, UreqTransport, blocking::Client};
fn main() -> Result<(), entra::Report> {
    let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
    let secret = ClientSecret::new(std::fs::read_to_string("client-secret")?)?;
    let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
    let client = Client::new(app, UreqTransport::new()?);
    println!("a token until {:?}", client.token(&Target::resource("https://graph.microsoft.com")?)?.expires_at());
    Ok(())
}
