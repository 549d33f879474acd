fn main() -> Result<(), entra::Report> {
    let client = entra::blocking::Client::from_env()?;
    let token = client.token(&entra::Target::resource("https://graph.microsoft.com")?)?;
    let users = ureq::get("https://graph.microsoft.com/v1.0/users").header("authorization", token.authorization());
    println!("{}", users.call()?.body_mut().read_to_string()?);
    Ok(())
}
