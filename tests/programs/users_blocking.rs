fn main() -> Result<(), entra::Report> {
    let client = entra::blocking::Client::from_env()?;
    let graph = entra::Target::resource("https://graph.microsoft.com")?;
    let request = ureq::get("https://graph.microsoft.com/v1.0/users")
        .header("authorization", client.token(&graph)?.authorization());
    println!("{}", request.call()?.body_mut().read_to_string()?);
    Ok(())
}
