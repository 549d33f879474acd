#[tokio::main]
async fn main() -> Result<(), entra::Report> {
    let client = entra::Client::from_env()?;
    let graph = entra::Target::resource("https://graph.microsoft.com")?;
    let users = reqwest::Client::new()
        .get("https://graph.microsoft.com/v1.0/users")
        .header("authorization", client.token(&graph).await?.authorization())
        .send()
        .await?;
    println!("{}", users.error_for_status()?.text().await?);
    Ok(())
}
