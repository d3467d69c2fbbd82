//! Makes a namespace with an encoder's and a player's key, as the first steps of a new channel:
//!
//! ```text
//! cargo run -p headwater-client --example onboard -- http://127.0.0.1:8081 ADMIN_TOKEN live-origin
//! ```

use headwater_client::{
    Admin, Error,
    api::{CreatedKey, NewKey},
    settings::{NamespaceSettings, Permission},
};

/// Thirty days.
const MONTH_S: u64 = 30 * 24 * 3600;

/// The two keys. Each is the JSON document that its owner gets.
pub struct Keys {
    /// Reads and writes, for 30 days.
    pub encoder: CreatedKey,
    /// Reads.
    pub player: CreatedKey,
}

/// Everything the example does.
pub async fn run(admin_url: &str, token: &str, namespace: &str) -> Result<Keys, Error> {
    let admin = Admin::new(admin_url, token)?;
    let settings = NamespaceSettings { hot_capacity_bytes: Some(200 << 20), ..NamespaceSettings::default() };
    admin.create_namespace(namespace, &settings).await?;
    let key = |permission, expires_in_s| NewKey {
        permission,
        prefix: None,
        expires_in_s,
        cidrs: Vec::new(),
        digest: false,
        rate_limits: Default::default(),
    };
    Ok(Keys {
        encoder: admin.create_key(namespace, &key(Permission::ReadWrite, Some(MONTH_S))).await?,
        player: admin.create_key(namespace, &key(Permission::ReadOnly, None)).await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [admin_url, token, namespace] = &arguments[..] else {
        return Err("give the admin plane's URL, the admin token and a name for the namespace".into());
    };
    let keys = run(admin_url, token, namespace).await?;
    // The only time that the secrets are shown.
    println!("{}", serde_json::to_string_pretty(&keys.encoder)?);
    println!("{}", serde_json::to_string_pretty(&keys.player)?);
    Ok(())
}
