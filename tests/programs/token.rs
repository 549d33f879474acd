use entra::{Application, Authority, ClientSecret, Target, UreqTransport};
use entra_emulator::{App, Emulator, Fault};

#[test]
fn retries_a_503() -> Result<(), entra::Report> {
    let app = App::new("daemon").grant(Emulator::GRAPH, "User.Read.All");
    let emulator = Emulator::builder().app(app).start();

    let authority = Authority::loopback(&emulator.authority())?;
    let secret = ClientSecret::new(emulator.client_secret())?;
    let client_id = emulator.client_id().parse()?;
    let app = Application::new(authority, client_id, secret);
    let http = UreqTransport::builder().allow_plain_loopback(true).build()?;
    let client = entra::blocking::Client::new(app, http);

    emulator.fault(Fault::status(503)); // once: the client retries
    let graph = Target::resource("https://graph.microsoft.com")?;
    let token = client.token(&graph)?;
    assert_eq!(client.token(&graph)?.expose(), token.expose()); // cached
    assert_eq!(emulator.token_requests().len(), 2);
    Ok(())
}
