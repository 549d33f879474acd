use axum::routing::{Router, get, post};
use entra::tower::{Caller, RequirePermissions, RequireToken};
use entra::validate::{Api, Audience, Permissions, Tenants, Validator};
use entra::{Cloud, HyperTransport, Report};

async fn list(Caller(caller): Caller) -> String {
    let (caller_id, tenant) = (caller.object_id(), caller.tenant());
    format!("orders of {caller_id} of tenant {tenant}")
}

fn validator(tenant: &str, cloud: Cloud) -> Result<Validator, Report> {
    let audience = Audience::new("api://orders")?;
    let tenants = Tenants::One(tenant.parse()?);
    let api = Api::new(audience, tenants, Permissions::any_granted())?;
    let http = HyperTransport::builder().for_cloud(&cloud).build()?;
    Ok(Validator::new(api.with_cloud(cloud)?, http))
}

fn app(validator: Validator) -> Result<Router, Report> {
    // Scopes of users, and roles of applications: one of them is needed.
    let (scopes, roles) = (["Orders.Read"], ["Orders.Read.All"]);
    let read = RequirePermissions::any_of(scopes, roles)?;
    let (scopes, roles) = (["Orders.Write"], ["Orders.Write.All"]);
    let write = RequirePermissions::any_of(scopes, roles)?;
    let add = post(|| async { "added" }).layer(write);
    Ok(Router::new()
        .route("/orders", get(list).layer(read).merge(add))
        .route("/healthz", get(|| async { "ok" }))
        .layer(RequireToken::new(validator).with_open_path("/healthz")?))
}

#[tokio::main]
async fn main() -> Result<(), Report> {
    let cloud = entra::transport::cloud_from_env()?;
    let app = app(validator(&std::env::var("AZURE_TENANT_ID")?, cloud)?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use entra::{Authority, Report};
    use entra_emulator::{Api, App, Defect, Emulator};
    use tower::ServiceExt;

    #[tokio::test]
    async fn rejects_other_tokens() -> Result<(), Report> {
        let api = Api::new("api://orders").role("Orders.Read.All");
        let app = App::new("daemon").grant("api://orders", "Orders.Read.All");
        let emulator = Emulator::builder().api(api).app(app).start();
        let authority = Authority::loopback(&emulator.authority())?;
        let cloud = authority.cloud().clone();
        let app = super::app(super::validator(emulator.tenant_id(), cloud)?)?;

        let forge = || emulator.forge().api("api://orders");
        for (token, status) in [
            (forge().token(), 200),
            (forge().roles(["Other"]).token(), 403),
            (forge().defect(Defect::Expired).token(), 401),
        ] {
            let request = Request::get("/orders")
                .header("authorization", format!("Bearer {token}"))
                .body(Body::empty())?;
            let response = app.clone().oneshot(request).await?;
            assert_eq!(response.status(), status);
        }
        Ok(())
    }
}
