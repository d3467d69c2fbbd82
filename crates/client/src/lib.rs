//! The Rust SDK of Headwater: the data plane and the admin plane over HTTP.
//!
//! [`Client`] reads and writes the objects of one namespace, as one API key sees it:
//!
//! ```no_run
//! # async fn example() -> Result<(), headwater_client::Error> {
//! let client = headwater_client::Client::new("http://127.0.0.1:8080", "live-origin", "hw_id_secret")?;
//! client.put("channel/segment_00001.ts", vec![0x47; 188]).ttl_seconds(300).send().await?;
//! let object = client.get("channel/segment_00001.ts").await?;
//! println!("{} bytes, {}", object.bytes().await?.len(), client.list("channel/").await?.objects.len());
//! # Ok(()) }
//! ```
//!
//! [`Admin`] makes namespaces and keys and looks after the cluster:
//!
//! ```no_run
//! # async fn example() -> Result<(), headwater_client::Error> {
//! use headwater_client::{Admin, api::NewKey, settings::{NamespaceSettings, Permission}};
//! let admin = Admin::new("http://127.0.0.1:8081", "hw_admin_token")?;
//! let settings = NamespaceSettings { hot_capacity_bytes: Some(200 << 20), ..Default::default() };
//! admin.create_namespace("live-origin", &settings).await?;
//! let key = NewKey {
//!     permission: Permission::ReadWrite,
//!     prefix: None,
//!     expires_in_s: Some(30 * 24 * 3600),
//!     cidrs: Vec::new(),
//!     digest: false,
//!     rate_limits: Default::default(),
//! };
//! println!("{}", admin.create_key("live-origin", &key).await?.api_key);
//! # Ok(()) }
//! ```
//!
//! Both wait and try again where the origin says that this makes sense: see [`RetryPolicy`]. Signed URLs and viewer tokens
//! are made without any request: see [`sign`].

pub mod admin;
mod body;
mod builder;
mod client;
mod error;
mod list;
mod object;
mod put;
mod retry;
mod secret;
pub mod sign;
mod transport;

pub use admin::Admin;
pub use body::Body;
pub use builder::Builder;
pub use client::Client;
pub use error::Error;
pub use headwater_types::{
    api, settings,
    signing::{SigningKey, SigningKeyId},
};
pub use list::{ListedObject, Listing};
pub use object::Object;
pub use put::{Put, PutOutcome};
pub use reqwest::{StatusCode, Url, header};
pub use retry::RetryPolicy;
